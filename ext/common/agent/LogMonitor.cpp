#include "agent/LogMonitor.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <future>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/Lists.h"
#include "log/Log.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds LOOK_INTERVAL{1000};
/** The pause between two reads, which limits the cost of a program that writes much. */
constexpr milliseconds REST{50};
/** The time after wake() in which new files are looked for more often. */
constexpr milliseconds EAGER_TIME{2000};
constexpr std::size_t MOST_AT_ONCE = 65'536;
constexpr std::size_t MOST_READERS = 512;

/** Some reads that are waited for together. */
struct Reads {
    std::atomic<std::size_t> left{1};
    std::atomic<bool> more{false};
    std::promise<void> done;

    void end() {
        if (--left == 0) {
            done.set_value();
        }
    }
};

std::uint64_t mostOf(const LogMonitor::File &file) {
    return file.limit ? file.limit->most() : std::numeric_limits<std::uint64_t>::max();
}

}  // namespace

LogMonitor::LogMonitor(Parts parts)
    : parts_(std::move(parts)), wake_(makeEventDescriptor()), readers_("log reader", MOST_READERS, LOOK_INTERVAL) {
    thread_ = Thread("log monitor", [this] { run(); });
}

LogMonitor::~LogMonitor() {
    ending_ = true;
    setEvent(wake_);
    thread_.join();
    readers_.await(PATIENCE);
}

void LogMonitor::wake() {
    woken_ = true;
    setEvent(wake_);
}

void LogMonitor::run() {
    while (!ending_ && !woken_) {
        wait(std::chrono::hours(1), false);
    }
    SteadyClock::time_point listed{};
    SteadyClock::time_point eagerUntil{};
    while (!ending_) {
        const auto now = SteadyClock::now();
        if (woken_.exchange(false)) {
            eagerUntil = now + EAGER_TIME;
        }
        const bool eager = now < eagerUntil;
        bool more = false;
        try {
            more = copy(tails_, Until::MOST_AT_ONCE);
            if (eager || now - listed >= LOOK_INTERVAL) {
                list();
                listed = now;
            }
        } catch (const std::exception &error) {
            Log::error("event=monitor.failed error=\"{}\"", error.what());
        }
        wait(REST, false);
        if (!more && !eager) {
            wait(LOOK_INTERVAL - REST, true);
        }
    }
}

void LogMonitor::list() {
    std::map<std::string, std::vector<File>> files;
    for (File &file : parts_.files()) {
        files[fmt::format("{}:{}:{}:{}", file.owner.uid, file.owner.gid, static_cast<int>(file.namedBy), file.path)]
            .push_back(std::move(file));
    }
    std::map<std::string, Followed> now;
    for (const auto &[key, same] : files) {
        auto owners = listOf(same, &File::owner);
        const auto known = tails_.extract(key);
        Followed &followed = now[key];
        followed = known ? known.mapped()
                         : Followed{std::make_shared<FileTail>(same.front().path, owners, same.front().namedBy),
                                    std::make_shared<std::atomic<bool>>(false),
                                    {},
                                    {}};
        followed.owners = std::move(owners);
        followed.limit = std::ranges::max_element(same, {}, mostOf)->limit;
    }
    tails_.swap(now);
    copy(now, Until::END);
    std::vector<FolderWatches::Wish> wishes;
    for (const auto &[key, followed] : tails_) {
        const std::filesystem::path path = followed.tail->path();
        wishes.push_back({{{path.parent_path().string(), {path.filename().string()}}}, followed.owners.front()});
    }
    watches_.follow(wishes);
}

bool LogMonitor::copy(const std::map<std::string, Followed> &files, Until until) {
    const auto reads = std::make_shared<Reads>();
    for (const auto &[key, followed] : files) {
        if (followed.busy->exchange(true) && until != Until::END) {
            continue;
        }
        reads->left++;
        const auto read = [reads, until, tail = followed.tail, busy = followed.busy, owners = followed.owners,
                           sink = sinkFor(followed)] {
            try {
                tail->use(owners);
                if (until == Until::END) {
                    tail->finish(sink);
                } else if (tail->read(MOST_AT_ONCE, sink)) {
                    reads->more = true;
                }
            } catch (const std::exception &error) {
                Log::error("event=monitor.failed error=\"{}\"", error.what());
            }
            *busy = false;
            reads->end();
        };
        const uid_t user = followed.owners.front().uid;
        // The next turn reads again, but not a file that has left the list.
        if (!(until == Until::END ? readers_.run(user, 1, read) : readers_.tryRun(user, 1, read))) {
            *followed.busy = false;
            reads->end();
        }
    }
    reads->end();
    reads->done.get_future().wait_for(PATIENCE);
    return reads->more;
}

FileTail::LineCallback LogMonitor::sinkFor(const Followed &followed) const {
    // A copy of the sink: the limit keeps it for its last line.
    const OutputSink sink = [write = parts_.sink, path = followed.tail->path()](pid_t, const std::string &line) {
        write(path, line);
    };
    return [sink, limit = followed.limit](std::string_view line) {
        if (limit) {
            limit->write(0, std::string(line), sink);
        } else {
            sink(0, std::string(line));
        }
    };
}

void LogMonitor::wait(milliseconds time, bool events) {
    std::array<pollfd, 2> entries{{{wake_.get(), POLLIN, 0}, {events ? watches_.descriptor() : -1, POLLIN, 0}}};
    if (::poll(entries.data(), entries.size(), static_cast<int>(time.count())) <= 0) {
        return;
    }
    if (entries[0].revents != 0) {
        clearEvent(wake_);
    }
    if (entries[1].revents != 0) {
        // Each read covers all files.
        watches_.read();
    }
}

}  // namespace Passenger
