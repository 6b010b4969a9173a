#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <vector>

#include "base/FileDescriptor.h"
#include "loop/Thread.h"
#include "restart/FolderWatches.h"
#include "restart/RestartFiles.h"

namespace Passenger {

/**
 * Checks restart files in its own thread, "restart watch", so that a slow file system delays
 * nothing else. A check follows the previous one after the interval (PassengerStatThrottleRate) at
 * the latest. It comes earlier if inotify reports a change of a restart file, or of a folder or
 * link on its path. Between two checks are at least 50 ms, and before such an earlier one ten times
 * the time that the last one took: a user who touches files all the time keeps the thread busy for
 * a tenth of the time.
 *
 * The checks find the requests; inotify only makes them earlier. With an interval below a second no
 * folder is watched. A check that could not look at each file, or has thrown, is repeated after a
 * second, then after two, four and so on, since its event will not come again.
 *
 * Owned by the engine. The methods are thread-safe. The destructor waits for a running check.
 */
class RestartWatch {
public:
    struct Parts {
        /**
         * Returns the restart folders of all applications as absolute paths. Called before each
         * check and once a second, so that new applications' folders are watched soon. Should not
         * block.
         */
        std::function<std::vector<RestartFolder>()> folders;
        /** Checks all restart files. @return whether each of them could be looked at */
        std::function<bool()> check;
        FolderWatches::Opener openInotify = Passenger::openInotify;
    };

    /** The first check begins at once. @throws SystemException, boost::thread_resource_error */
    RestartWatch(Parts parts, std::chrono::milliseconds interval);
    ~RestartWatch();
    RestartWatch(const RestartWatch &) = delete;
    RestartWatch &operator=(const RestartWatch &) = delete;

    /** If the interval differs from the present one, a check follows at once. */
    void setInterval(std::chrono::milliseconds interval);

private:
    using SteadyClock = std::chrono::steady_clock;
    /** LISTING: the list of folders is due. */
    enum class Reason { INTERVAL, EVENT, LISTING, ENDING };

    void run();
    void watch(std::vector<RestartFolder> folders, std::chrono::milliseconds interval);
    void noteCheck(bool looked, std::chrono::milliseconds interval, SteadyClock::time_point begin);
    /** Waits until a check may be needed. @param interval what the watches were placed for */
    Reason wait(std::chrono::milliseconds interval);
    /** @param events whether to wait for folder events too @return whether there are some */
    bool poll(SteadyClock::duration timeout, bool events) const;
    void wake() const;

    const Parts parts_;
    std::atomic<std::chrono::milliseconds> interval_;
    std::atomic<bool> ending_ = false;
    /** An eventfd: signalled when the settings have changed. */
    FileDescriptor wake_;

    // Used by the thread only.
    FolderWatches watches_;
    std::vector<RestartFolder> folders_;
    std::vector<FolderWatches::Wish> wishes_;
    SteadyClock::time_point lastLook_{};
    /** Events are not read earlier. */
    SteadyClock::time_point rested_{};
    /** From the last check to the next one at the latest. */
    std::chrono::milliseconds pause_{0};
    /** How many checks in a row could not look at each file. */
    unsigned failures_ = 0;

    Thread thread_;
};

}  // namespace Passenger
