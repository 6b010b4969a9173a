#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>

#include "base/FileDescriptor.h"
#include "base/PidFd.h"
#include "spawning/SpawnPlan.h"
#include "spawning/SpawnStartup.h"

namespace Passenger {

/** The plan and the user of a preloader, and its process; the same for all processes forked from
 *  it. */
struct Origin {
    SpawnPlan plan;
    uid_t uid = 0;
    /** Empty in tests: no process. */
    FileDescriptor pidFd{};

    /** Whether the preloader has ended. */
    bool hasEnded() const { return pidFd && waitPidFd(pidFd, std::chrono::milliseconds(0)); }
};

/**
 * A process that has loaded the application and forks instances of it. Owned by a SmartSpawner and
 * used in the thread of its spawn(). The destructor ends the process and waits for its end.
 */
class Preloader {
public:
    /**
     * Starts the process and waits until it has loaded the application.
     * @throws SpawnException, with report
     */
    explicit Preloader(SpawnStartup &startup);
    /** Makes a preloader by a fork of `instance`. @throws SpawnException, with report */
    Preloader(SpawnStartup &startup, const WarmInstance &instance);
    ~Preloader();
    Preloader(const Preloader &) = delete;
    Preloader &operator=(const Preloader &) = delete;

    /**
     * A new instance.
     * @throws SpawnException, with report; the caller then destroys the preloader, unless only the
     *     instance has ended, or the preloader has answered
     */
    SpawnResult fork(SpawnStartup &startup);
    /** Whether a spawn with this plan may use this preloader. */
    bool suits(const SpawnPlan &plan) const { return origin_->plan == plan; }
    void kill() noexcept { self_.process.kill(); }
    /** Whether the process has ended, or ends within a short time. */
    bool ended() const;
    /** Made from an instance, whose state may not survive a fork. */
    bool reforked() const noexcept { return reforked_; }
    pid_t pid() const noexcept { return self_.process.pid(); }
    const std::shared_ptr<const Origin> &origin() const noexcept { return origin_; }

private:
    LoadedProcess self_;
    std::shared_ptr<const Origin> origin_;
    const bool reforked_ = false;
};

}  // namespace Passenger
