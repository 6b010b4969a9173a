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
#include "base/PatientThreads.h"
#include "loop/Thread.h"
#include "restart/FolderWatches.h"
#include "rights/UserResolver.h"
#include "spawning/OutputLimit.h"

namespace Passenger {

/**
 * PassengerMonitorLogFile: copies new lines of files into the agent's log, in a thread of its own,
 * "log monitor". The thread reads the files when inotify reports an event in their folders, at most
 * 20 times a second, and at least once a second. Each time at most 64 KiB of each file are read. A
 * file that leaves the list is first read to its end, since a process that ends may just have
 * written to it. A file that several applications of one user and group name is copied once, and
 * its lines count for the application with the highest limit.
 *
 * A program can hold the kernel's lock of its file. So PatientThreads read, at most one for the
 * files of a user, and "log monitor" waits for them up to PATIENCE.
 *
 * Owned by the engine. Any thread may call wake(), which never blocks; the destructor waits for
 * reads in progress up to PATIENCE.
 */
class LogMonitor {
public:
    static constexpr std::chrono::milliseconds PATIENCE{1000};

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
    struct Followed {
        std::shared_ptr<FileTail> tail;
        /** A thread reads the file, or will. */
        std::shared_ptr<std::atomic<bool>> busy;
        /** As the list had them last; of each application that names the file. */
        std::vector<RunAs> owners;
        std::shared_ptr<OutputLimit> limit;
    };
    enum class Until { MOST_AT_ONCE, END };
    /** @return whether files have more to copy at once */
    bool copy(const std::map<std::string, Followed> &files, Until until);
    FileTail::LineCallback sinkFor(const Followed &followed) const;
    void wait(std::chrono::milliseconds time, bool events);

    const Parts parts_;
    std::atomic<bool> ending_ = false;
    std::atomic<bool> woken_ = false;
    /** An eventfd. */
    FileDescriptor wake_;

    // watches_ and tails_ are the thread's own.
    FolderWatches watches_{openInotify, FolderWatches::Files::LOGS};
    /** By path and owner. */
    std::map<std::string, Followed> tails_;
    PatientThreads readers_;

    Thread thread_;
};

}  // namespace Passenger
