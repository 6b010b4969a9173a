#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/FileDescriptor.h"
#include "base/Mutex.h"
#include "exchange/Options.h"

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
    /** @param kept true: the destructor does nothing
     *  @param name of a group that exists; empty: none does */
    AppGroup(std::string app, std::shared_ptr<const std::atomic<bool>> kept, std::string name)
        : app_(std::move(app)), kept_(std::move(kept)), name_(std::move(name)) {}
    ~AppGroup();
    AppGroup(const AppGroup &) = delete;
    AppGroup &operator=(const AppGroup &) = delete;

    /**
     * Moves a new process into the group, which gets the limits of the options; limits the tasks of
     * the user while it boots. Blocks. A failure is logged: the process starts all the same.
     * @return the limit of tasks; 0: none
     */
    std::uint64_t place(const FileDescriptor &pidFd, const Options &options) EXCLUDES(placing_, mutex_);
    /** Empty: not made yet, or there are no control groups. Never blocks. */
    std::string name() const EXCLUDES(mutex_);

private:
    const std::string app_;
    const std::shared_ptr<const std::atomic<bool>> kept_;
    /** One process at a time, so that they get into one group. */
    Mutex placing_{Locks::APP_GROUP_PLACING};
    mutable Mutex mutex_{Locks::APP_GROUP};
    std::string name_ GUARDED_BY(mutex_);
};

using AppGroupPtr = std::shared_ptr<AppGroup>;

}  // namespace Passenger
