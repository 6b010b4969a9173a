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

Preloader::Preloader(SpawnStartup &startup) : self_(startup.load(StartRequest::Role::PRELOADER)) {
    origin_ = std::make_shared<Origin>(Origin{startup.plan(), self_.process.uid()});
}

Preloader::Preloader(SpawnStartup &startup, const WarmInstance &instance)
    : origin_(std::make_shared<Origin>(*instance.origin)), self_(startup.refork(instance)), reforked_(true) {}

Preloader::~Preloader() {
    // Its end of file means: exit. The process's owner kills it where it does not.
    self_.control = FrameSocket();
    try {
        self_.process.ended(EXIT_LIMIT);
    } catch (const std::exception &) {
        // Not known whether it has ended; then it is killed, which does no harm either way.
    }
}

SpawnResult Preloader::fork(SpawnStartup &startup) {
    SpawnResult result = startup.fork(self_).toResult();
    result.origin = origin_;
    return result;
}

bool Preloader::ended() const {
    return self_.process.ended(DYING_LIMIT);
}

}  // namespace Passenger
