#include "spawning/SmartSpawner.h"

#include "base/Exceptions.h"
#include "base/Log.h"

namespace Passenger {

SmartSpawner::SmartSpawner(const SpawnTools &tools) : tools_(tools) {}

SmartSpawner::~SmartSpawner() {
    EventLoop::assertNotOnAnyLoop("a Spawner was destroyed");
}

void SmartSpawner::cancel() {
    cancel_.cancel();
}

SpawnResult SmartSpawner::spawn(const Options &options) {
    EventLoop::assertNotOnAnyLoop("a Spawner was told to spawn");
    SpawnStartup startup(tools_, cancel_, options);
    dropUnsuitablePreloader(startup, options);
    bool again = false;
    for (;;) {
        if (!preloader_) {
            preloader_ = std::make_unique<Preloader>(startup);
        }
        try {
            return preloader_->fork(startup).toResult();
        } catch (const SpawnException &) {
            const bool died = preloader_->ended();
            const pid_t pid = preloader_->pid();
            // Nothing of this spawn may be left, and a preloader that does not answer would not end when asked either.
            preloader_->kill();
            preloader_.reset();
            if (!died || again || cancel_.cancelled()) {
                throw;
            }
            Log::warn("event=preloader.died app=\"{}\" pid={} note=\"another one is started\"", options.groupName(),
                      pid);
            again = true;
        }
    }
}

void SmartSpawner::dropUnsuitablePreloader(SpawnStartup &startup, const Options &options) {
    const auto &plan = startup.plan();
    if (preloader_ && !preloader_->suits(plan)) {
        Log::info("event=preloader.replaced app=\"{}\" pid={} reason=\"user, Ruby or environment variables changed\"",
                  options.groupName(), preloader_->pid());
        preloader_.reset();
    }
}

}  // namespace Passenger
