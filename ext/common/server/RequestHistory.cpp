#include "server/RequestHistory.h"

#include <algorithm>

#include "base/Lists.h"
#include "control/ServerStatus.h"

namespace Passenger {

namespace {

using std::chrono::seconds;

// The length of a slot, and for how long slots are kept.
constexpr seconds MINUTE{60};
constexpr seconds QUARTER_OF_AN_HOUR{15 * 60};
constexpr seconds DAY{24 * 3600};

/** The time below which the share lies, with the times of a bucket spread evenly in it. */
double quantile(const LogHistogram &times, double share) {
    const auto wanted = static_cast<double>(times.total()) * share;
    double below = 0;
    for (std::size_t bucket = 0; bucket < LogHistogram::BUCKETS; bucket++) {
        const auto count = static_cast<double>(times.counts[bucket]);
        if (count > 0 && below + count >= wanted) {
            const double high = inSeconds(LogHistogram::upperBound(bucket));
            const double low = bucket <= 1 ? 0 : high / 2;
            return low + (high - low) * (wanted - below) / count;
        }
        below += count;
    }
    return 0;
}

}  // namespace

TimeQuantiles quantilesOf(const LogHistogram &times) {
    return {quantile(times, 0.5), quantile(times, 0.9), quantile(times, 0.99)};
}

void RequestHistory::add(Time now, const LogHistogram &queue, const LogHistogram &service) {
    const Slot fresh{now, queue.since(queue_), service.since(service_)};
    queue_ = queue;
    service_ = service;
    add(minute_, INTERVAL, MINUTE, now, fresh);
    add(quarter_, MINUTE, QUARTER_OF_AN_HOUR, now, fresh);
    add(day_, QUARTER_OF_AN_HOUR, DAY, now, fresh);
}

void RequestHistory::add(Slots &slots, seconds length, seconds kept, Time now, const Slot &fresh) {
    while (!slots.empty() && slots.front().begin + kept + length <= now) {
        slots.pop_front();
    }
    // The system's clock was set back. Otherwise these would stay until it comes there again.
    while (!slots.empty() && slots.back().begin > now) {
        slots.pop_back();
    }
    if (fresh.queue.total() == 0 && fresh.service.total() == 0) {
        return;
    }
    const Time begin = now - now.time_since_epoch() % length;
    if (slots.empty() || slots.back().begin != begin) {
        slots.push_back({begin, {}, {}});
    }
    slots.back().queue.merge(fresh.queue);
    slots.back().service.merge(fresh.service);
}

/** Slots that lie in the window in part count whole. */
WindowStatus RequestHistory::window(const Slots &slots, seconds length, seconds slot, Time now) {
    Slot sum{};
    for (const Slot &one : slots) {
        if (one.begin + slot > now - length) {
            sum.queue.merge(one.queue);
            sum.service.merge(one.service);
        }
    }
    return {static_cast<std::uint64_t>(length.count()), sum.service.total(), quantilesOf(sum.queue),
            quantilesOf(sum.service)};
}

std::vector<WindowStatus> RequestHistory::windows(Time now) const {
    return {window(minute_, MINUTE, INTERVAL, now), window(quarter_, QUARTER_OF_AN_HOUR, MINUTE, now),
            window(day_, DAY, QUARTER_OF_AN_HOUR, now)};
}

std::vector<PointStatus> RequestHistory::points(Time now, seconds length) const {
    std::vector<Slot> joined;
    for (const Slot &slot : day_) {
        const Time begin = slot.begin - slot.begin.time_since_epoch() % length;
        if (joined.empty() || joined.back().begin != begin) {
            joined.push_back({begin, {}, {}});
        }
        joined.back().queue.merge(slot.queue);
        joined.back().service.merge(slot.service);
    }
    return listOf(joined, [&](const Slot &slot) {
        const Time end = std::min(slot.begin + length, now);
        return PointStatus{secondsSinceEpoch(end), inSeconds(end - slot.begin), slot.service.total(),
                           quantilesOf(slot.queue), quantilesOf(slot.service)};
    });
}

}  // namespace Passenger
