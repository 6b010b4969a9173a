#include "log/RecentEvents.h"

#include <algorithm>
#include <utility>

#include "log/LogFields.h"

namespace Passenger {

void RecentEvents::note(std::string_view line, std::chrono::system_clock::time_point now) {
    const LogFields parts = LogFields::parse(line);
    const LogFields::Field *const name = parts.find("event");
    const LogFields::Field *const app = parts.find("app");
    if (name == nullptr || app == nullptr) {
        return;
    }
    std::string text;
    for (const LogFields::Field &field : parts.fields) {
        if (&field != name && &field != app) {
            text += text.empty() ? "" : " ";
            text += field.raw;
        }
    }
    if (!parts.rest.empty()) {
        text += (text.empty() ? "" : " ") + parts.rest;
    }
    // Not resize(), which keeps the memory of the whole line.
    text = text.substr(0, MAX_TEXT);

    const LockGuard guard(mutex_);
    std::deque<Event> &events = events_[app->value.substr(0, MAX_TEXT)];
    events.push_back({now, name->value, std::move(text)});
    if (events.size() > MOST_OF_AN_APP) {
        events.pop_front();
    }
    if (events_.size() > MOST_APPS) {
        dropOldest();
    }
}

std::vector<RecentEvents::Event> RecentEvents::of(const std::string &app) const {
    const LockGuard guard(mutex_);
    const auto found = events_.find(app.substr(0, MAX_TEXT));
    return found == events_.end() ? std::vector<Event>()
                                  : std::vector<Event>(found->second.begin(), found->second.end());
}

void RecentEvents::dropOldest() {
    events_.erase(std::min_element(events_.begin(), events_.end(), [](const auto &left, const auto &right) {
        return left.second.back().at < right.second.back().at;
    }));
}

}  // namespace Passenger
