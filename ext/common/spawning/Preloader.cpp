#include "spawning/Preloader.h"

#include <chrono>

namespace Passenger {

namespace {

using namespace std::chrono_literals;

/** The time between the end of a process's sockets and the process's end. */
constexpr auto DYING_LIMIT = 100ms;
/** The time for the application's at_exit handlers after the control socket was closed. */
constexpr auto EXIT_LIMIT = 1000ms;

}  // namespace

Preloader::Preloader(SpawnStartup &startup)
    : self_(startup.load(StartRequest::Role::PRELOADER)),
      origin_(
          std::make_shared<Origin>(Origin{startup.plan(), self_.process.uid(), self_.process.pidFd().duplicate()})) {}

Preloader::Preloader(SpawnStartup &startup, const WarmInstance &instance)
    : self_(startup.refork(instance)),
      origin_(std::make_shared<Origin>(
          Origin{instance.origin->plan, instance.origin->uid, self_.process.pidFd().duplicate()})),
      reforked_(true) {}

Preloader::~Preloader() {
    // The end of file tells the process to exit. If it does not, its owner kills it.
    self_.control.shutDown();
    self_.control = FrameSocket();
    try {
        self_.process.ended(EXIT_LIMIT);
    } catch (const std::exception &) {
        // Whether the process has ended is unknown. Its owner kills it, which is safe in both
        // cases.
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
