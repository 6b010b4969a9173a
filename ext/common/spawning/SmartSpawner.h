#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/Exceptions.h"
#include "spawning/CancelSwitch.h"
#include "spawning/ExclusiveTurn.h"
#include "spawning/Preloader.h"
#include "spawning/SpawnStartup.h"
#include "spawning/Spawner.h"

namespace Passenger {

/**
 * Keeps a preloader that has the application loaded, and lets it fork instances. Started at the first spawn(), again
 * when it died (once in a spawn, unseen), and when a spawn wants another user, Ruby or environment than it was loaded
 * with.
 *
 * An application may not stand it to be loaded in one process and to serve in another: when an instance is forked, its preloader or its
 * instance dies, twice in a spawn, of something else than a signal from outside; or nothing comes of the fork until the time is over, in
 * two spawns in a row. If it then starts without a preloader, that is how all its instances are started from then on, and the results
 * say so (SpawnResult::fallback). What raises an exception while it loads fails either way, and does not count.
 *
 * The preloader does one thing at a time, so several spawns take turns with it. Who waits while it is started, and it
 * does not start, fails with it: the application would not load any better a moment later.
 *
 * Owned by a Group; threads as Spawner says. cancel() is for good: later spawns fail too.
 */
class SmartSpawner final : public Spawner {
public:
    explicit SmartSpawner(const SpawnTools &tools);
    /** Ends the preloader; its instances live on. */
    ~SmartSpawner() override;

    SpawnResult spawn(const Options &options) override;
    /** Ends the preloader, unless a spawn comes meanwhile. */
    void rest() override;
    void refork(const Options &options, const WarmInstance &instance) override;
    void cancel() override;

private:
    /** A preloader that did not start. */
    struct FailedStart {
        SpawnPlan plan;
        SpawnException why;
        /** Spawns with smaller numbers came before it had failed. */
        std::uint64_t firstUnaffected = 0;
    };

    SpawnResult forkInstance(SpawnStartup &startup, const Options &options);
    SpawnResult forkOnce(SpawnStartup &startup);
    void startPreloader(SpawnStartup &startup);
    void dropUnsuitablePreloader(SpawnStartup &startup, const Options &options);
    bool dropFailedPreloader(const SpawnStartup &startup, const Options &options);
    SpawnResult giveUpPreloading(const Options &options, const std::string &why);

    /** Spawns in a row whose fork was late, before an application is started without a preloader. */
    static constexpr unsigned LATE_FORKS = 2;

    SpawnTools tools_;
    CancelSwitch cancel_;
    std::atomic<std::uint64_t> arrivals_{0};
    ExclusiveTurn exclusive_;
    // Touched only by who has the turn.
    std::unique_ptr<Preloader> preloader_;
    std::optional<FailedStart> failedStart_;
    unsigned lateForks_ = 0;
    /** Written by who has the turn. A cold preloader's forks may go well, but each warm one would cost a spawn again. */
    std::atomic<bool> warmForksHang_{false};
    /** Why instances are started without a preloader; empty: they are not. */
    std::string givenUp_;
};

}  // namespace Passenger
