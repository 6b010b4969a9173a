#include "spawning/SmartSpawner.h"

#include <csignal>

#include "log/Log.h"

namespace Passenger {

namespace {

/**
 * Whether the process failed by itself: it exited, or a signal ended it that other processes do not
 * usually send. If the cause is unknown, another process may have killed it.
 */
bool isOwnFault(const Report &failure) {
    const int signal = failure.signal;
    return failure.exited || (signal != 0 && signal != SIGKILL && signal != SIGTERM && signal != SIGINT &&
                              signal != SIGHUP && signal != SIGQUIT);
}

/** PassengerSpawnMethod, but for an application that a bridge starts. */
bool preloads(const Options &options) {
    return options.spawnMethod != "direct" && !options.startsByBridge();
}

}  // namespace

SmartSpawner::~SmartSpawner() {
    EventLoop::assertNotOnAnyLoop("a Spawner was destroyed");
}

SpawnResult SmartSpawner::spawn(const Options &options) {
    EventLoop::assertNotOnAnyLoop("a Spawner was told to spawn");
    if (!preloads(options)) {
        checkMayLoad();
        dropUnusedPreloader();
        return DirectSpawner::spawn(options);
    }
    SpawnStartup startup(resources(), cancelSwitch(), options);
    const std::uint64_t number = arrivals_++;
    const auto &plan = startup.plan();
    {
        const auto turn = startup.takeTurn(exclusive_);
        if (failedStart_ && number < failedStart_->firstUnaffected && failedStart_->plan == plan) {
            throw failedStart_->why;
        }
        if (!givenUp_) {
            dropUnsuitablePreloader(startup, options);
            return forkInstance(startup, options);
        }
    }
    return load(startup, options);
}

void SmartSpawner::rest() {
    EventLoop::assertNotOnAnyLoop("a Spawner was told to rest");
    const std::uint64_t number = arrivals_;
    // Destroyed after the turn, since the preloader's end may take some time.
    std::unique_ptr<Preloader> idle;
    const ExclusiveTurn::Turn turn(exclusive_, std::chrono::steady_clock::time_point::max());
    if (arrivals_ == number) {
        idle = std::move(preloader_);
    }
}

std::shared_ptr<const Origin> SmartSpawner::refork(const Options &options, const WarmInstance &instance) {
    EventLoop::assertNotOnAnyLoop("a Spawner was told to fork from an instance");
    if (warmForksHang_) {
        throw SpawnException("the last preloader that was forked from a warm instance hung when it forked");
    }
    SpawnStartup startup(resources(), cancelSwitch(), options);
    // Without the turn: the present preloader continues to fork meanwhile.
    auto warmed = std::make_unique<Preloader>(startup, instance);
    const auto turn = startup.takeTurn(exclusive_);
    if (givenUp_ || !preloads(options)) {
        throw SpawnException("the application is no longer preloaded");
    }
    if (loadsNothing()) {
        // Nothing could take the place of a preloader whose forks do not live.
        throw SpawnException("the files have changed");
    }
    if (preloader_ && !preloader_->suits(instance.origin->plan)) {
        throw SpawnException("the application's user, Ruby or environment variables have changed");
    }
    std::swap(preloader_, warmed);
    // A rest() that waits for the turn must not end the new preloader.
    arrivals_++;
    Log::notice("event=preloader.reforked app=\"{}\" pid={} from={}", options.groupName(), preloader_->pid(),
                instance.pid);
    return preloader_->origin();
}

SpawnResult SmartSpawner::forkInstance(SpawnStartup &startup, const Options &options) {
    if (lateForks_ >= LATE_FORKS) {
        lateForks_ = 0;
        return giveUpPreloading(options, "its forks were not ready in time");
    }
    for (bool again = false;; again = true) {
        if (!preloader_) {
            startPreloader(startup, options);
        }
        try {
            return forkOnce(startup);
        } catch (const SpawnException &failure) {
            const bool worthAnother = dropFailedPreloader(startup, options);
            if (!worthAnother || cancelSwitch().cancelled()) {
                throw;
            }
            if (again && isOwnFault(*failure.details()) && !(loadsNothing() && options.othersServe)) {
                return giveUpPreloading(options, failure.what());
            }
            if (again) {
                throw;
            }
        }
    }
}

SpawnResult SmartSpawner::forkOnce(SpawnStartup &startup) {
    try {
        SpawnResult result = preloader_->fork(startup);
        lateForks_ = 0;
        return result;
    } catch (const SpawnException &) {
        lateForks_ = startup.forkWasLate() ? lateForks_ + 1 : 0;
        warmForksHang_ = warmForksHang_ || (startup.forkWasLate() && preloader_->reforked());
        throw;
    }
}

SpawnResult SmartSpawner::giveUpPreloading(const Options &options, const std::string &why) {
    preloader_.reset();
    if (loadsNothing()) {
        throw NotLoadedException("its preloader was ended: " + why);
    }
    // A new object has the whole PassengerStartTimeout again: the application was already loaded
    // twice.
    SpawnStartup startup(resources(), cancelSwitch(), options);
    // If this start fails as well, the preloader is not the cause.
    SpawnResult result = load(startup, options);
    givenUp_ = true;
    Log::warn("event=preloader.given_up app=\"{}\" reason=\"{}\" action=\"its instances are started directly\"",
              options.groupName(), why);
    return result;
}

void SmartSpawner::startPreloader(SpawnStartup &startup, const Options &options) {
    try {
        preloader_ = loadBy(options, [&] { return std::make_unique<Preloader>(startup); });
        failedStart_.reset();
    } catch (const NotLoadedException &) {
        throw;
    } catch (const SpawnException &e) {
        failedStart_ = {startup.plan(), e, arrivals_.load()};
        lateForks_ = 0;
        throw;
    }
}

void SmartSpawner::dropUnsuitablePreloader(SpawnStartup &startup, const Options &options) {
    const auto &plan = startup.plan();
    if (preloader_ && !preloader_->suits(plan)) {
        checkMayLoad();
        Log::info(
            "event=preloader.replaced app=\"{}\" pid={} reason=\"user, interpreter, environment variables or startup "
            "file changed\"",
            options.groupName(), preloader_->pid());
        preloader_.reset();
    }
}

/** Ends a preloader of earlier options. The start does not wait for a spawn that uses the
 *  preloader: a later start ends it then. */
void SmartSpawner::dropUnusedPreloader() {
    std::unique_ptr<Preloader> unused;
    try {
        const ExclusiveTurn::Turn turn(exclusive_, std::chrono::steady_clock::now());
        unused = std::move(preloader_);
    } catch (const TimeoutException &) {
        return;
    }
}

/**
 * Kills a preloader that cannot be used any more. If only the instance died, a preloader that
 * loaded the application itself stays, and after filesChanged() any. So does one that waits for the
 * next frame.
 * @return whether the preloader or its instance died by itself, so that another attempt makes sense
 */
bool SmartSpawner::dropFailedPreloader(const SpawnStartup &startup, const Options &options) {
    const bool died = preloader_->ended();
    if (!died && !startup.lostContact() && startup.preloaderWaits()) {
        return false;
    }
    if (!died && startup.lostContact() && (!preloader_->reforked() || loadsNothing())) {
        return true;
    }
    const pid_t pid = preloader_->pid();
    // No process of this spawn may remain. A preloader that does not answer would not react to a
    // request to end.
    preloader_->kill();
    preloader_.reset();
    if (died) {
        Log::warn("event=preloader.died app=\"{}\" pid={}", options.groupName(), pid);
    }
    return died || startup.lostContact();
}

}  // namespace Passenger
