#include "prefork/SilenceWatch.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

/** A worker that closed its standard output has this time to end by itself. */
constexpr std::chrono::seconds MUTE_PATIENCE{1};

template <typename Times> std::vector<WorkerId> reached(const Times &times, MonotonicTime now) {
    std::vector<WorkerId> ids;
    for (const auto &[id, time] : times) {
        if (now >= time) {
            ids.push_back(id);
        }
    }
    return ids;
}

}  // namespace

void SilenceWatch::setTimeouts(milliseconds timeout, milliseconds startTimeout) {
    heartbeats_.setTimeout(timeout);
    startTimeout_ = startTimeout;
}

milliseconds SilenceWatch::ackInterval() const {
    return std::chrono::floor<milliseconds>(heartbeats_.ackInterval());
}

void SilenceWatch::addStarting(WorkerId id, MonotonicTime now) {
    heartbeats_.noteAck(id, now);
    if (startTimeout_ > milliseconds(0)) {
        startDeadlines_[id] = now + startTimeout_;
    }
}

void SilenceWatch::noteSign(WorkerId id, MonotonicTime now) {
    heartbeats_.noteAck(id, now);
    startDeadlines_.erase(id);
}

void SilenceWatch::noteMute(WorkerId id, MonotonicTime now) {
    muteDeadlines_[id] = now + MUTE_PATIENCE;
}

void SilenceWatch::forget(WorkerId id) {
    heartbeats_.forget(id);
    startDeadlines_.erase(id);
    muteDeadlines_.erase(id);
}

void SilenceWatch::planCheck(MonotonicTime now, milliseconds interval) {
    nextCheck_.reset();
    if (heartbeats_.enabled() && interval > milliseconds(0)) {
        heartbeats_.setCheckInterval(interval);
        nextCheck_ = now + interval;
    }
}

std::vector<WorkerId> SilenceWatch::overdue(MonotonicTime now) {
    auto ids = heartbeats_.overdue(now);
    std::erase_if(ids, [this](WorkerId id) { return startDeadlines_.contains(id); });
    return ids;
}

std::vector<WorkerId> SilenceWatch::mute(MonotonicTime now) const {
    return reached(muteDeadlines_, now);
}

std::vector<WorkerId> SilenceWatch::startingTooLong(MonotonicTime now) const {
    return reached(startDeadlines_, now);
}

std::optional<MonotonicTime> SilenceWatch::nextDue() const {
    auto next = nextCheck_;
    for (const auto *times : {&startDeadlines_, &muteDeadlines_}) {
        for (const auto &[id, time] : *times) {
            next = earlier(next, time);
        }
    }
    return next;
}

}  // namespace Passenger
