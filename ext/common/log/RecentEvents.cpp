#include "log/RecentEvents.h"

#include <algorithm>
#include <utility>

namespace Passenger {

namespace {

constexpr std::string_view EVENT = "event=";
constexpr std::string_view APP = " app=\"";

}  // namespace

void RecentEvents::note(std::string_view line, std::chrono::system_clock::time_point now) {
    const std::size_t app = line.find(APP);
    // A quote before it: that text may come from anybody.
    if (!line.starts_with(EVENT) || app == std::string_view::npos ||
        line.substr(0, app).find('"') != std::string_view::npos) {
        return;
    }
    const std::string_view name = line.substr(EVENT.size(), line.find(' ') - EVENT.size());
    const std::size_t begin = app + APP.size();
    const std::size_t end = line.find('"', begin);
    if (end == std::string_view::npos) {
        return;
    }
    // What stands between the two fields, and behind them.
    const std::size_t behindName = EVENT.size() + name.size();
    std::string text(line.substr(behindName, app - behindName));
    text += line.substr(end + 1);
    text.erase(0, text.find_first_not_of(' '));
    text.resize(std::min(text.size(), MAX_TEXT));

    const LockGuard guard(mutex_);
    std::deque<Event> &events = events_[std::string(line.substr(begin, end - begin))];
    events.push_back({now, std::string(name), std::move(text)});
    if (events.size() > MOST_OF_AN_APP) {
        events.pop_front();
    }
    if (events_.size() > MOST_APPS) {
        dropOldest();
    }
}

std::vector<RecentEvents::Event> RecentEvents::of(const std::string &app) const {
    const LockGuard guard(mutex_);
    const auto found = events_.find(app);
    return found == events_.end() ? std::vector<Event>()
                                  : std::vector<Event>(found->second.begin(), found->second.end());
}

void RecentEvents::dropOldest() {
    events_.erase(std::min_element(events_.begin(), events_.end(), [](const auto &left, const auto &right) {
        return left.second.back().at < right.second.back().at;
    }));
}

}  // namespace Passenger
