#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/Exceptions.h"
#include "spawning/DirectSpawner.h"
#include "spawning/ExclusiveTurn.h"
#include "spawning/Preloader.h"
#include "spawning/SpawnStartup.h"

namespace Passenger {

/**
 * Keeps a preloader that has loaded the application, and lets it fork instances. The first spawn()
 * starts the preloader. It is restarted after its death (once in a spawn, without an error), and if
 * a spawn needs another user, interpreter, environment or startup file (SpawnPlan). After
 * filesChanged() it is kept for as long as it lives, and is not restarted. Only if its forks die,
 * and no other instance serves, it is given up.
 *
 * A spawn() whose options need no preloader (PassengerSpawnMethod direct, a bridge) goes the way of
 * the DirectSpawner and ends the preloader. So a reload that changes how an application is started
 * counts from the next start on.
 *
 * Some applications do not work if one process loads them and another serves. One sign is that at a
 * fork the preloader or its instance dies, twice in a spawn, and not by a signal from outside.
 * Another one is that a fork is not ready in time, in two spawns in a row. If the application then
 * starts without a preloader, all its later instances do so too. Their results have no
 * SpawnResult::origin. An exception during the load does not count: such an application fails
 * either way.
 *
 * The preloader does one thing at a time, so spawns take turns. Spawns that wait for a starting
 * preloader fail with it: a new attempt would fail too.
 *
 * Owned by a Group; threads as Spawner says. cancel() is permanent: later spawns fail too.
 */
class SmartSpawner final : public DirectSpawner {
public:
    using DirectSpawner::DirectSpawner;
    /** Ends the preloader; its instances continue. */
    ~SmartSpawner() override;

    SpawnResult spawn(const Options &options) override;
    /** Ends the preloader, unless a spawn arrives meanwhile. */
    void rest() override;
    std::shared_ptr<const Origin> refork(const Options &options, const WarmInstance &instance) override;

private:
    /** A preloader that did not start. */
    struct FailedStart {
        SpawnPlan plan;
        SpawnException why;
        /** Spawns with smaller numbers arrived before the failure. */
        std::uint64_t firstUnaffected = 0;
    };

    SpawnResult forkInstance(SpawnStartup &startup, const Options &options);
    SpawnResult forkOnce(SpawnStartup &startup);
    void startPreloader(SpawnStartup &startup, const Options &options);
    void dropUnusedPreloader();
    void dropUnsuitablePreloader(SpawnStartup &startup, const Options &options);
    bool dropFailedPreloader(const SpawnStartup &startup, const Options &options);
    SpawnResult giveUpPreloading(const Options &options, const std::string &why);

    /**
     * The number of spawns in a row with a late fork, after which an application is started without
     * a preloader.
     */
    static constexpr unsigned LATE_FORKS = 2;

    std::atomic<std::uint64_t> arrivals_{0};
    ExclusiveTurn exclusive_;
    // Used only by the thread that has the turn.
    std::unique_ptr<Preloader> preloader_;
    std::optional<FailedStart> failedStart_;
    unsigned lateForks_ = 0;
    /**
     * Written by the thread that has the turn. Forks of a cold preloader may work, but a fork of
     * each further warm one would fail a spawn.
     */
    std::atomic<bool> warmForksHang_{false};
    /** Instances are started without a preloader. */
    bool givenUp_ = false;
};

}  // namespace Passenger
