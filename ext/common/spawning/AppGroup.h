#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/FileDescriptor.h"
#include "base/LogLimit.h"
#include "base/Mutex.h"
#include "exchange/Options.h"
#include "rights/Cgroups.h"
#include "spawning/AppTable.h"

namespace Passenger {

/**
 * The control group of an application's processes, from the first of them to the last one. The
 * owners are its processes: preloader, instances. The destructor ends the group, and with it what
 * these processes have left behind. Without control groups it does nothing.
 *
 * Made by AppGroups. Thread-safe.
 */
class AppGroup {
public:
    /** What all groups share. */
    struct Shared {
        /** The destructor does nothing. */
        std::atomic<bool> kept{false};
        /** What limits of groups have done to applications since this process knows them: only
         *  applications to which a limit did something. Groups end before they are forgotten. */
        AppTable<CgroupEvents> events{Locks::CGROUP_EVENTS};
    };

    /** @param name of a group that exists; empty: none does */
    AppGroup(std::string app, std::shared_ptr<Shared> shared, std::string name)
        : app_(std::move(app)), shared_(std::move(shared)), name_(std::move(name)) {}
    ~AppGroup();
    AppGroup(const AppGroup &) = delete;
    AppGroup &operator=(const AppGroup &) = delete;

    /**
     * Moves a new process into the group, which gets the limits of the options; limits the tasks of
     * the user while it boots. Blocks. A failure is logged: the process starts all the same.
     * @return the limit of tasks; 0: none
     */
    std::uint64_t joinGroup(const FileDescriptor &pidFd, const Options &options) EXCLUDES(placing_, mutex_);
    /** Empty: not made yet, or there are no control groups. Never blocks. */
    std::string name() const EXCLUDES(mutex_);
    /** The group's folder. Empty: as for name(). Never blocks. */
    std::string path() const EXCLUDES(mutex_);
    /** Counts and logs what limits have done since the last look, by two files of the kernel. A
     *  group that was taken over is looked at from its next process on. Never blocks. */
    void look() noexcept EXCLUDES(mutex_);

private:
    void log(const char *directive, std::uint64_t count, const char *what) REQUIRES(mutex_);

    const std::string app_;
    const std::shared_ptr<Shared> shared_;
    /** One process at a time, so that they get into one group. */
    Mutex placing_{Locks::APP_GROUP_PLACING};
    mutable Mutex mutex_{Locks::APP_GROUP};
    std::string name_ GUARDED_BY(mutex_);
    /** Empty: unknown. */
    std::string path_ GUARDED_BY(mutex_);
    CgroupEvents seen_ GUARDED_BY(mutex_);
    /** The limits without effect that the log has. */
    std::vector<std::string> problems_ GUARDED_BY(mutex_);
    LogLimit lines_ GUARDED_BY(mutex_);
};

using AppGroupPtr = std::shared_ptr<AppGroup>;

}  // namespace Passenger
