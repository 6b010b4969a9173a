#include "pool/Backtraces.h"

#include <csignal>
#include <cstddef>
#include <utility>

namespace Passenger {

namespace {

/** Bytes of an instance's backtraces that are kept. */
constexpr std::size_t MOST_OF_BACKTRACES = 256 * 1024;

}  // namespace

void Backtraces::ask() {
    last_.reset();
    asked_ = true;
    link_.sendIfRoom(Frame(FrameType::THREADS));
}

void Backtraces::answered(const std::string &text) {
    if (std::exchange(asked_, false)) {
        last_ = text.substr(0, MOST_OF_BACKTRACES);
    }
}

void Backtraces::log() {
    link_.sendIfRoom(Frame(FrameType::THREADS, {"log"}));
}

void Backtraces::logHung(const Options &options) {
    // A blocked event loop of Node handles no signal. A thread of the instance sees the question.
    if (options.appType == "node") {
        log();
    } else {
        link_.signal(SIGQUIT);
    }
}

}  // namespace Passenger
