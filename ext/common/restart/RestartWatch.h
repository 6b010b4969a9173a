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
 * Has restart files looked at, in a thread of its own, "restart watch": a slow file system holds up nothing else. Each look comes at the
 * latest an interval after the one before, and at once when inotify tells that a restart file, or a folder or link on the way to it, came
 * or was touched; but never sooner than 50 ms after the one before.
 *
 * The looks are what counts, inotify only brings them forward. At an interval under a second there is nothing to bring forward, and nothing
 * is watched.
 *
 * Owned by the engine. The methods are thread-safe; the destructor waits for a look under way.
 */
class RestartWatch {
public:
    struct Parts {
        /** The restart folders of all applications, absolute. Asked before each look and once a second, so that a new application's is
         *  watched soon; should not block. */
        std::function<std::vector<RestartFolder>()> folders;
        /** Looks at all restart files. */
        std::function<void()> check;
        FolderWatches::Opener openInotify = Passenger::openInotify;
    };

    /** Looks for the first time at once. @throws SystemException, boost::thread_resource_error */
    RestartWatch(Parts parts, std::chrono::milliseconds interval);
    ~RestartWatch();
    RestartWatch(const RestartWatch &) = delete;
    RestartWatch &operator=(const RestartWatch &) = delete;

    /** Another one than before brings a look at once. */
    void setInterval(std::chrono::milliseconds interval);

private:
    using SteadyClock = std::chrono::steady_clock;
    /** LISTING: it is time to ask for the folders. */
    enum class Reason { INTERVAL, EVENT, LISTING, ENDING };

    void run();
    void watch(std::vector<RestartFolder> folders);
    /** Until there is a reason to look, perhaps. */
    Reason wait();
    /** @param events whether to wait for those of folders, too. @return whether there are some */
    bool poll(SteadyClock::duration timeout, bool events) const;
    void wake() const;

    const Parts parts_;
    std::atomic<std::chrono::milliseconds> interval_;
    std::atomic<bool> ending_ = false;
    /** An eventfd: the settings have changed. */
    FileDescriptor wake_;

    // The thread's own.
    FolderWatches watches_;
    std::vector<RestartFolder> folders_;
    std::vector<FolderWatches::Wish> wishes_;
    SteadyClock::time_point lastLook_{};

    Thread thread_;
};

}  // namespace Passenger
