#include "agent/EventInbox.h"

#include <algorithm>
#include <array>
#include <utility>

#include "log/LogFields.h"

namespace Passenger {

namespace {

/** doc/OPERATIONS.md lists them. */
constexpr std::array<std::string_view, 4> EVENTS{"app.unstable", "deploy.failed", "queue.full", "spawn.failed"};

}  // namespace

EventInbox::EventInbox() : arrivals_(makeEventDescriptor()) {}

void EventInbox::note(std::string_view line, TimePoint now) {
    constexpr std::string_view BEGIN = "event=";
    const std::string_view name = line.substr(std::min(BEGIN.size(), line.size()), line.find(' ') - BEGIN.size());
    if (!line.starts_with(BEGIN) || std::find(EVENTS.begin(), EVENTS.end(), name) == EVENTS.end()) {
        return;
    }
    const LogFields parts = LogFields::parse(line);
    const LogFields::Field *const app = parts.find("app");
    const std::string event = std::string(name) + " " + (app != nullptr ? app->value : "");

    const LockGuard guard(mutex_);
    if (isTooEarly(event, now)) {
        return;
    }
    if (waiting_.size() == MOST_WAITING) {
        ++dropped_;
    } else {
        last_[event] = now;
        waiting_.emplace_back(line);
    }
    setEvent(arrivals_);
}

bool EventInbox::isTooEarly(const std::string &event, TimePoint now) {
    if (last_.size() >= MOST_REMEMBERED) {
        std::erase_if(last_, [&](const auto &one) { return now - one.second >= PAUSE; });
        if (last_.size() >= MOST_REMEMBERED) {
            last_.clear();
        }
    }
    const auto last = last_.find(event);
    return last != last_.end() && now - last->second < PAUSE;
}

std::optional<std::string> EventInbox::take() {
    clearEvent(arrivals_);
    const LockGuard guard(mutex_);
    if (waiting_.empty()) {
        return std::nullopt;
    }
    std::string line = std::move(waiting_.front());
    waiting_.pop_front();
    return line;
}

std::size_t EventInbox::takeDropped() {
    const LockGuard guard(mutex_);
    return std::exchange(dropped_, 0);
}

}  // namespace Passenger
