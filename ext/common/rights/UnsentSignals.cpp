#include "rights/UnsentSignals.h"

#include <fcntl.h>
#include <unistd.h>

#include <exception>

#include "log/Log.h"

namespace Passenger {

namespace {

/** Each takes the place of a reply channel. */
constexpr std::size_t SPARES = 2;

}  // namespace

void UnsentSignals::keep(const FileDescriptor &pidFd, int signal) noexcept {
    try {
        if (!spares_.empty() && ::dup3(pidFd.get(), spares_.back().get(), O_CLOEXEC) >= 0) {
            signals_.emplace_back(std::move(spares_.back()), signal);
            spares_.pop_back();
        } else {
            signals_.emplace_back(pidFd.duplicate(), signal);
        }
    } catch (const std::exception &error) {
        Log::error("event=rights.unreachable error=\"{}\" note=\"a signal is lost\"", error.what());
    }
}

void UnsentSignals::sendAll(const Send &send) {
    for (; !signals_.empty(); signals_.pop_back()) {
        send(signals_.back().first, signals_.back().second);
    }
}

void UnsentSignals::makeSpares() {
    while (spares_.size() < SPARES) {
        spares_.push_back(makeEventDescriptor());
    }
}

}  // namespace Passenger
