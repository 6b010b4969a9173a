#pragma once

#include <sys/types.h>

#include <memory>

#include "spawning/SpawnPlan.h"
#include "spawning/SpawnStartup.h"

namespace Passenger {

/** With what a preloader was started, and as which user it runs: so do all that descend from it. */
struct Origin {
    SpawnPlan plan;
    uid_t uid = 0;
};

/**
 * A process that has the application loaded and forks instances of it. Owned by a SmartSpawner, used in the thread of
 * its spawn(). The destructor ends the process, and waits for that.
 */
class Preloader {
public:
    /** Starts it and waits until the application is loaded. @throws SpawnException, with report */
    explicit Preloader(SpawnStartup &startup);
    /** Has an instance fork it. @throws SpawnException, with report */
    Preloader(SpawnStartup &startup, const WarmInstance &instance);
    ~Preloader();
    Preloader(const Preloader &) = delete;
    Preloader &operator=(const Preloader &) = delete;

    /** A new instance. @throws SpawnException, with report: the preloader must be dropped then */
    SpawnResult fork(SpawnStartup &startup);
    /** Whether what was loaded here is what a spawn with this plan would load. */
    bool suits(const SpawnPlan &plan) const {
        return origin_->plan == plan;
    }
    /** Ends the process at once. */
    void kill() noexcept {
        self_.process.kill();
    }
    /** Whether its process has ended, or does so in a moment. */
    bool ended() const;
    /** Made out of an instance, which may have left in it what does not stand a fork. */
    bool reforked() const noexcept {
        return reforked_;
    }
    pid_t pid() const noexcept {
        return self_.process.pid();
    }

private:
    std::shared_ptr<const Origin> origin_;
    LoadedProcess self_;
    const bool reforked_ = false;
};

}  // namespace Passenger
