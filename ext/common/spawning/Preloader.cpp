#include "spawning/Preloader.h"

#include <chrono>

namespace Passenger {

namespace {

using namespace std::chrono_literals;

/** Between the end of a process's sockets and its own. */
constexpr auto DYING_LIMIT = 100ms;
/** For the application's at_exit handlers, after the control socket was closed. */
constexpr auto EXIT_LIMIT = 1000ms;

}  // namespace

Preloader::Preloader(SpawnStartup &startup)
    : plan_(startup.plan()), self_(startup.load(StartRequest::Role::PRELOADER)) {}

Preloader::~Preloader() {
    // Its end of file means: exit. The process's owner kills it where it does not.
    self_.control = FrameSocket();
    try {
        self_.process.ended(EXIT_LIMIT);
    } catch (const std::exception &) {
        // Not known whether it has ended; then it is killed, which does no harm either way.
    }
}

LoadedProcess Preloader::fork(SpawnStartup &startup) {
    return startup.fork(self_);
}

bool Preloader::ended() const {
    return self_.process.ended(DYING_LIMIT);
}

}  // namespace Passenger
