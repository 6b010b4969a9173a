#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/FileTail.h"
#include "base/FileDescriptor.h"
#include "loop/Thread.h"
#include "spawning/UserResolver.h"

namespace Passenger {

/**
 * PassengerMonitorLogFile: copies new lines of files into our log, in a thread of its own, "log monitor". It looks when inotify tells of
 * something in their folders, at most 20 times a second, and once a second in any case; each time it takes at most 64 KiB of each file. What
 * is not to be followed any more is read to its end first: there are the last words of who wrote it.
 *
 * Owned by the engine. wake() may be called from any thread, and never blocks; the destructor waits for a look under way.
 */
class LogMonitor {
public:
    struct File {
        std::string path;
        /** Both: AppFile. */
        RunAs owner;
        AppFile::NamedBy namedBy = AppFile::NamedBy::CHILD;
    };
    struct Parts {
        /** What is to be followed now. Asked once a second; may block. */
        std::function<std::vector<File>()> files;
        std::function<void(const std::string &path, const std::string &line)> sink;
    };

    /** Sleeps until the first wake(). @throws SystemException, boost::thread_resource_error */
    explicit LogMonitor(Parts parts);
    ~LogMonitor();
    LogMonitor(const LogMonitor &) = delete;
    LogMonitor &operator=(const LogMonitor &) = delete;

    /** There is, or will be in a moment, something to follow. */
    void wake();

private:
    using SteadyClock = std::chrono::steady_clock;

    void run();
    void list();
    void watchFolders();
    /** @return whether there is more to copy at once */
    bool copy();
    FileTail::LineCallback sinkFor(const FileTail &tail) const;
    void wait(std::chrono::milliseconds time, bool events);

    const Parts parts_;
    std::atomic<bool> ending_ = false;
    std::atomic<bool> woken_ = false;
    /** An eventfd. */
    FileDescriptor wake_;

    // The thread's own.
    FileDescriptor inotify_;
    std::map<std::string, int> watches_;
    std::map<std::string, std::unique_ptr<FileTail>> tails_;

    Thread thread_;
};

}  // namespace Passenger
