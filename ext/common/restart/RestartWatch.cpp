#include "restart/RestartWatch.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <exception>
#include <filesystem>
#include <iterator>
#include <utility>

#include "log/Log.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds MIN_INTERVAL{50};
/** By the time that a check took. */
constexpr unsigned REST_FACTOR = 10;
constexpr milliseconds MIN_WATCHED_INTERVAL{1000};
constexpr milliseconds LISTING_INTERVAL{1000};
constexpr milliseconds FIRST_REPETITION{1000};
constexpr unsigned MOST_DOUBLINGS = 20;
constexpr milliseconds LONGEST_POLL = std::chrono::hours(1);

/**
 * Watches the restart files in this folder, and each path component from the root to it. Any
 * component may be missing, be replaced, or be a link that changes.
 */
FolderWatches::Wish wishFor(const RestartFolder &folder) {
    FolderWatches::Entries entries;
    std::filesystem::path path = "/";
    for (const std::filesystem::path &part : std::filesystem::path(folder.path).relative_path()) {
        if (!part.empty()) {
            entries[path.string()].insert(part.string());
            path /= part;
        }
    }
    entries[path.string()].insert({RESTART_FILE, ALWAYS_RESTART_FILE});
    return {entries, folder.user};
}

}  // namespace

RestartWatch::RestartWatch(Parts parts, milliseconds interval)
    : parts_(std::move(parts)), interval_(interval), wake_(makeEventDescriptor()), watches_(parts_.openInotify) {
    thread_ = Thread("restart watch", [this] { run(); });
}

RestartWatch::~RestartWatch() {
    ending_ = true;
    wake();
    thread_.join();
}

void RestartWatch::setInterval(milliseconds interval) {
    interval_ = interval;
    wake();
}

void RestartWatch::wake() const {
    setEvent(wake_);
}

void RestartWatch::run() {
    milliseconds interval{0};
    for (Reason reason = Reason::INTERVAL; reason != Reason::ENDING; reason = wait(interval)) {
        const SteadyClock::time_point begin = SteadyClock::now();
        bool looked = false;
        try {
            std::vector<RestartFolder> folders = parts_.folders();
            if (reason == Reason::LISTING && folders == folders_) {
                continue;
            }
            interval = interval_;
            watch(std::move(folders), interval);
            // The check follows the placement of the watches, so it finds changes before that.
            looked = parts_.check();
        } catch (const std::exception &error) {
            Log::error("event=restart.check_failed error=\"{}\"", error.what());
        }
        noteCheck(looked, interval, begin);
    }
}

void RestartWatch::noteCheck(bool looked, milliseconds interval, SteadyClock::time_point begin) {
    lastLook_ = SteadyClock::now();
    rested_ = lastLook_ + REST_FACTOR * (lastLook_ - begin);
    pause_ = std::max(interval, MIN_INTERVAL);
    failures_ = looked ? 0 : std::min(failures_ + 1, MOST_DOUBLINGS);
    if (!looked) {
        pause_ = std::min(pause_, FIRST_REPETITION * (1U << (failures_ - 1)));
    }
}

void RestartWatch::watch(std::vector<RestartFolder> folders, milliseconds interval) {
    if (folders != folders_) {
        wishes_.clear();
        std::transform(folders.begin(), folders.end(), std::back_inserter(wishes_), wishFor);
        folders_ = std::move(folders);
    }
    if (interval >= MIN_WATCHED_INTERVAL) {
        watches_.follow(wishes_);
    } else {
        watches_.stop();
    }
}

RestartWatch::Reason RestartWatch::wait(milliseconds interval) {
    const SteadyClock::time_point listing = SteadyClock::now() + LISTING_INTERVAL;
    // Events are not read earlier. So neither a burst of touches nor other events in a folder keep
    // this thread busy.
    SteadyClock::time_point rested = std::max(rested_, SteadyClock::now() + MIN_INTERVAL);
    while (!ending_) {
        const SteadyClock::time_point now = SteadyClock::now();
        // A changed interval may need other watches.
        const SteadyClock::time_point due = lastLook_ + (interval_.load() == interval ? pause_ : MIN_INTERVAL);
        if (now >= due) {
            return Reason::INTERVAL;
        }
        const bool watching = watches_.descriptor() >= 0;
        if (watching && now >= listing) {
            return Reason::LISTING;
        }
        const bool resting = now < rested;
        const auto next = watching ? std::min({due, listing, resting ? rested : due}) : due;
        if (poll(next - now, watching && !resting)) {
            if (watches_.read()) {
                return Reason::EVENT;
            }
            rested = SteadyClock::now() + MIN_INTERVAL;
        }
    }
    return Reason::ENDING;
}

bool RestartWatch::poll(SteadyClock::duration timeout, bool events) const {
    std::array<pollfd, 2> entries{{{wake_.get(), POLLIN, 0}, {events ? watches_.descriptor() : -1, POLLIN, 0}}};
    const milliseconds rounded = std::chrono::ceil<milliseconds>(timeout);
    if (::poll(entries.data(), entries.size(), static_cast<int>(std::min(rounded, LONGEST_POLL).count())) <= 0) {
        return false;
    }
    if (entries[0].revents != 0) {
        clearEvent(wake_);
    }
    return entries[1].revents != 0;
}

}  // namespace Passenger
