#include "spawning/SmartSpawner.h"

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
    const std::uint64_t number = arrivals_++;
    const auto &plan = startup.plan();
    const auto turn = startup.takeTurn(turnstile_);
    if (failedStart_ && number < failedStart_->firstUnaffected && failedStart_->plan == plan) {
        throw failedStart_->why;
    }
    dropUnsuitablePreloader(startup, options);
    return forkInstance(startup, options);
}

void SmartSpawner::rest() {
    EventLoop::assertNotOnAnyLoop("a Spawner was told to rest");
    const std::uint64_t number = arrivals_;
    // Ended after the turn: that may take a moment.
    std::unique_ptr<Preloader> idle;
    const Turnstile::Turn turn(turnstile_, std::chrono::steady_clock::time_point::max());
    if (arrivals_ == number) {
        idle = std::move(preloader_);
    }
}

void SmartSpawner::refork(const Options &options, const WarmInstance &instance) {
    EventLoop::assertNotOnAnyLoop("a Spawner was told to fork from an instance");
    SpawnStartup startup(tools_, cancel_, options);
    // Without the turn: the present one goes on forking meanwhile.
    auto warmed = std::make_unique<Preloader>(startup, instance);
    const auto turn = startup.takeTurn(turnstile_);
    if (preloader_ && !preloader_->suits(instance.origin->plan)) {
        throw SpawnException("its user, Ruby or environment variables are those of another time");
    }
    std::swap(preloader_, warmed);
    Log::notice("event=preloader.reforked app=\"{}\" pid={} from={}", options.groupName(), preloader_->pid(),
                instance.pid);
}

SpawnResult SmartSpawner::forkInstance(SpawnStartup &startup, const Options &options) {
    for (bool again = false;; again = true) {
        if (!preloader_) {
            startPreloader(startup);
        }
        try {
            return preloader_->fork(startup);
        } catch (const SpawnException &) {
            const bool died = dropFailedPreloader(options);
            if (!died || again || cancel_.cancelled()) {
                throw;
            }
        }
    }
}

void SmartSpawner::startPreloader(SpawnStartup &startup) {
    try {
        preloader_ = std::make_unique<Preloader>(startup);
        failedStart_.reset();
    } catch (const SpawnException &e) {
        failedStart_ = {startup.plan(), e, arrivals_.load()};
        throw;
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

/** Whether it had died by itself, and so is worth another try. */
bool SmartSpawner::dropFailedPreloader(const Options &options) {
    const bool died = preloader_->ended();
    const pid_t pid = preloader_->pid();
    // Nothing of this spawn may be left, and a preloader that does not answer would not end when asked either.
    preloader_->kill();
    preloader_.reset();
    if (died) {
        Log::warn("event=preloader.died app=\"{}\" pid={}", options.groupName(), pid);
    }
    return died;
}

}  // namespace Passenger
