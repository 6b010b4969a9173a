#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/FileTail.h"
#include "base/FileDescriptor.h"
#include "loop/Thread.h"
#include "rights/UserResolver.h"
#include "spawning/OutputLimit.h"

namespace Passenger {

/**
 * PassengerMonitorLogFile: copies new lines of files into the agent's log, in a thread of its own,
 * "log monitor". The thread reads the files when inotify reports an event in their folders, at most
 * 20 times a second, and at least once a second. Each time it reads at most 64 KiB of each file. A
 * file that leaves the list is first read to its end, since a process that ends may just have
 * written to it.
 *
 * Owned by the engine. Any thread may call wake(), which never blocks; the destructor waits for a
 * read in progress.
 */
class LogMonitor {
public:
    struct File {
        std::string path;
        /** Both as AppFile takes them. */
        RunAs owner;
        AppFile::NamedBy namedBy = AppFile::NamedBy::CHILD;
        /** The limit of the application; null: none. */
        std::shared_ptr<OutputLimit> limit{};
    };
    struct Parts {
        /** The list of files. Called once a second; may block. */
        std::function<std::vector<File>()> files;
        std::function<void(const std::string &path, const std::string &line)> sink;
    };

    /** Sleeps until the first wake(). @throws SystemException, boost::thread_resource_error */
    explicit LogMonitor(Parts parts);
    ~LogMonitor();
    LogMonitor(const LogMonitor &) = delete;
    LogMonitor &operator=(const LogMonitor &) = delete;

    /** Called when a file to copy exists, or will soon exist. */
    void wake();

private:
    using SteadyClock = std::chrono::steady_clock;

    void run();
    void list();
    void watchFolders();
    /** @return whether files have more to copy at once */
    bool copy();
    struct Followed {
        std::unique_ptr<FileTail> tail;
        std::shared_ptr<OutputLimit> limit;
    };
    FileTail::LineCallback sinkFor(const Followed &followed) const;
    void wait(std::chrono::milliseconds time, bool events);

    const Parts parts_;
    std::atomic<bool> ending_ = false;
    std::atomic<bool> woken_ = false;
    /** An eventfd. */
    FileDescriptor wake_;

    // inotify_, watches_ and tails_ are the thread's own.
    FileDescriptor inotify_;
    std::map<std::string, int> watches_;
    std::map<std::string, Followed> tails_;

    Thread thread_;
};

}  // namespace Passenger
