#pragma once

#include "spawning/SpawnPlan.h"
#include "spawning/SpawnStartup.h"

namespace Passenger {

/**
 * A process that has the application loaded and forks instances of it. Owned by a SmartSpawner, used in the thread of
 * its spawn(). The destructor ends the process, and waits for that.
 */
class Preloader {
public:
    /** Starts it and waits until the application is loaded. @throws SpawnException, with report */
    explicit Preloader(SpawnStartup &startup);
    ~Preloader();
    Preloader(const Preloader &) = delete;
    Preloader &operator=(const Preloader &) = delete;

    /** A new instance. @throws SpawnException, with report: the preloader must be dropped then */
    LoadedProcess fork(SpawnStartup &startup);
    /** Whether what was loaded here is what a spawn with this plan would load. */
    bool suits(const SpawnPlan &plan) const {
        return plan_ == plan;
    }
    /** Ends the process at once. */
    void kill() noexcept {
        self_.process.kill();
    }
    /** Whether its process has ended, or does so in a moment. */
    bool ended() const;
    pid_t pid() const noexcept {
        return self_.process.pid();
    }

private:
    const SpawnPlan plan_;
    LoadedProcess self_;
};

}  // namespace Passenger
