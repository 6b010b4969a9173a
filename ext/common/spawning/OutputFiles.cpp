#include "spawning/OutputFiles.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <deque>
#include <exception>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/Poll.h"
#include "base/Split.h"
#include "log/Log.h"
#include "log/LogQueue.h"
#include "loop/Thread.h"
#include "rights/Rights.h"

namespace Passenger {

namespace {

constexpr std::chrono::seconds PATIENCE{1};
constexpr std::size_t MOST_OWNERS = 16;

std::string droppedLine(std::uint64_t count) {
    return fmt::format("event=log.dropped lines={}\n", count);
}

}  // namespace

/** Shared by the threads that add lines and the thread that writes them. */
class OutputFiles::File {
public:
    File(std::string path, AppFile::NamedBy namedBy) : path_(std::move(path)), queue_(droppedLine), namedBy_(namedBy) {}

    static std::shared_ptr<File> start(const std::string &path, const RunAs &owner, AppFile::NamedBy namedBy) {
        auto file = std::make_shared<File>(path, namedBy);
        file->use(owner);
        Thread("app log", [file] { file->run(); }).detach();
        return file;
    }

    void put(pid_t pid, const std::string &line) {
        queue_.put(Log::outputPrefix() ? fmt::format("App {} output: {}\n", pid, line) : line + "\n");
    }
    void reopen(AppFile::NamedBy namedBy) {
        namedBy_ = namedBy;
        reopen_ = true;
    }
    const std::string &path() const noexcept { return path_; }
    /** Newer options of its user. Opens a file again that could not be opened: the cause may be
     *  gone. */
    void use(const RunAs &owner) EXCLUDES(mutex_) {
        const LockGuard guard(mutex_);
        const bool isNew = std::erase_if(owners_, [&](const RunAs &one) { return one.options == owner.options; }) == 0;
        owners_.push_front(owner);
        owners_.resize(std::min(owners_.size(), MOST_OWNERS));
        // With the earlier ones the file may be failing to open at this moment.
        if (failed_ || isNew) {
            reopen_ = true;
        }
    }
    void close(LogQueue::TimePoint deadline) { queue_.close(deadline); }
    void waitForWriter(LogQueue::TimePoint deadline) { queue_.waitForWriter(deadline); }

private:
    void run() {
        for (std::string lines; queue_.take(lines);) {
            if (reopen_.exchange(false)) {
                open();
            }
            if (open_) {
                write(lines);
            } else {
                lines.pop_back();
                for (const std::string_view line : split(lines, '\n')) {
                    Log::writeApplicationOutput(0, line, false);
                }
            }
        }
    }

    /** @throws std::exception if it cannot be opened by any owner's options: why the latest do not
     *  open it */
    FileDescriptor named() EXCLUDES(mutex_) {
        std::deque<RunAs> owners;
        {
            const LockGuard guard(mutex_);
            owners = owners_;
        }
        std::exception_ptr problem;
        for (const RunAs &owner : owners) {
            try {
                return Rights::ofThisProcess().openForAppending(path_, owner, namedBy_);
            } catch (const std::exception &) {
                problem = problem ? problem : std::current_exception();
            }
        }
        std::rethrow_exception(problem);
    }

    void open() {
        try {
            file_ = named();
            open_ = true;
            failed_ = false;
            failing_ = false;
            within_ = false;
        } catch (const std::exception &error) {
            failed_ = true;
            Log::error(
                "event=app_log.failed error=\"{}\" directive=PassengerAppLogFile consequence=\"{}\"", error.what(),
                open_ ? "the agent writes to the file that was open" : "the application's lines are in this log");
        }
    }

    void write(std::string_view lines) {
        if (within_) {
            writeAll("\n");
        }
        writeAll(lines);
    }

    void writeAll(std::string_view lines) {
        while (!lines.empty()) {
            const ssize_t written = ::write(file_.get(), lines.data(), lines.size());
            if (written >= 0) {
                within_ = !lines.substr(0, static_cast<std::size_t>(written)).ends_with('\n');
                lines.remove_prefix(static_cast<std::size_t>(written));
                failing_ = false;
            } else if (errno != EINTR) {
                if (!std::exchange(failing_, true)) {
                    Log::error("event=app_log.failed error=\"{}\" consequence=\"lines are lost\"",
                               SystemException(path_, errno).what());
                }
                return;
            }
        }
    }

    const std::string path_;
    LogQueue queue_;
    std::atomic<AppFile::NamedBy> namedBy_;
    std::atomic<bool> reopen_ = true;
    /** The last attempt to open it. */
    std::atomic<bool> failed_ = false;
    Mutex mutex_{Locks::OUTPUT_FILE};
    /** One user by the options of several applications, the latest ones first. A reload may take
     *  some of them away. Never empty. */
    std::deque<RunAs> owners_ GUARDED_BY(mutex_);

    // Used by the thread only.
    FileDescriptor file_;
    bool open_ = false;
    bool failing_ = false;
    /** The last line in the file has no end. */
    bool within_ = false;
};

OutputFiles::~OutputFiles() {
    const auto deadline = deadlineIn(PATIENCE);
    const LockGuard guard(mutex_);
    for (const auto &[key, file] : files_) {
        file->close(deadline);
    }
    for (const auto &[key, file] : files_) {
        file->waitForWriter(deadline);
    }
}

ProcessOutput::Sink OutputFiles::sinkFor(const std::string &path, const RunAs &owner) {
    if (path.empty()) {
        return {};
    }
    const LockGuard guard(mutex_);
    dropUnused();
    const std::string key = keyOf(path, owner);
    auto found = files_.find(key);
    if (found == files_.end()) {
        // Not inserted before its thread has started.
        found = files_.emplace(key, File::start(path, owner, whoNamesIt(path))).first;
    }
    found->second->use(owner);
    return [file = found->second](pid_t pid, const std::string &line) { file->put(pid, line); };
}

void OutputFiles::use(const std::string &path, const RunAs &owner) {
    const LockGuard guard(mutex_);
    if (const auto found = files_.find(keyOf(path, owner)); found != files_.end()) {
        found->second->use(owner);
    }
}

std::string OutputFiles::keyOf(const std::string &path, const RunAs &owner) {
    return fmt::format("{}:{}:{}", owner.uid, owner.gid, path);
}

void OutputFiles::reopen(const std::string &configured) {
    const LockGuard guard(mutex_);
    const auto paths = split(configured, '\n');
    configured_ = {paths.begin(), paths.end()};
    dropUnused();
    for (const auto &[key, file] : files_) {
        file->reopen(whoNamesIt(file->path()));
    }
}

AppFile::NamedBy OutputFiles::whoNames(const std::string &path) const {
    const LockGuard guard(mutex_);
    return whoNamesIt(path);
}

AppFile::NamedBy OutputFiles::whoNamesIt(const std::string &path) const {
    return configured_.contains(path) ? AppFile::NamedBy::CONFIGURATION : AppFile::NamedBy::CHILD;
}

/**
 * Closes files that no process uses any more. The map and the file's thread hold one reference
 * each.
 */
void OutputFiles::dropUnused() {
    for (auto entry = files_.begin(); entry != files_.end();) {
        constexpr long OURS = 2;
        if (entry->second.use_count() <= OURS) {
            entry->second->close(deadlineIn(PATIENCE));
            entry = files_.erase(entry);
        } else {
            ++entry;
        }
    }
}

}  // namespace Passenger
