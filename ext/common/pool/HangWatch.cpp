#include "pool/HangWatch.h"

#include <algorithm>

#include <fmt/format.h>

#include "log/Log.h"
#include "pool/DrainLimit.h"

namespace Passenger {

namespace {

using std::chrono::nanoseconds;

/** For the instance to print backtraces, and for its other threads to finish their requests. */
constexpr std::chrono::seconds BACKTRACE_LIMIT{1};

/** For a child to give up a request that has reached its limit. */
constexpr std::chrono::milliseconds CHILD_GIVES_UP_WITHIN{1000};

/** The number of checks within the heartbeat time-out. Heartbeats notices a pause of this process
 *  that is longer than two checks. So an unread sign of life is never as old as the time-out. */
constexpr int CHECKS = 4;

}  // namespace

void HangWatch::noteLimit(std::chrono::milliseconds limit) noexcept {
    const bool none = limit <= nanoseconds(0) || (knowsLimit_ && limit_ == nanoseconds(0));
    limit_ = none ? std::chrono::milliseconds(0) : std::max(limit_, limit);
    knowsLimit_ = true;
}

void HangWatch::add(const Process &process, const Options &options, MonotonicTime now) {
    const InstanceId id = process.id();
    const nanoseconds ownTimeout = process.former() ? process.heartbeatTimeout() : options.heartbeatTimeout;
    watched_[id].heartbeatTimeout = ownTimeout;
    if (process.former() && process.former()->taken() > 0) {
        watched_[id].adoptedBusy = now;
    }
    if (ownTimeout <= nanoseconds(0)) {
        return;
    }
    heartbeats_.noteAck(id, now);
    setTimeout();
}

/** An instance that was started with other settings sends at its own rate: while it lives, the
 *  longest time counts for all. */
void HangWatch::setTimeout() {
    nanoseconds timeout(0);
    for (const auto &[each, watched] : watched_) {
        timeout = std::max(timeout, watched.heartbeatTimeout);
    }
    if (timeout > nanoseconds(0)) {
        heartbeats_.setTimeout(timeout);
        heartbeats_.setCheckInterval(timeout / CHECKS);
    }
}

void HangWatch::remove(InstanceId id) {
    watched_.erase(id);
    heartbeats_.forget(id);
    setTimeout();
}

void HangWatch::noteHeartbeat(InstanceId id, MonotonicTime now) {
    if (heartbeats_.lastAck(id)) {
        heartbeats_.noteAck(id, now);
    }
}

std::vector<ProcessPtr> HangWatch::overdue(MonotonicTime now) {
    std::vector<ProcessPtr> overdue;
    for (const ProcessPtr &process : instances_.all()) {
        const std::optional<MonotonicTime> date = abandonedDate(*process);
        if ((date && *date <= now) || worksAtOldRequest(*process, watched_[process->id()], now)) {
            overdue.push_back(process);
        }
    }
    return overdue;
}

/** When an abandoned request of the instance reaches its limit. Nothing: there is no such request,
 *  or no limit. */
std::optional<MonotonicTime> HangWatch::abandonedDate(const Process &process) const {
    const std::optional<MonotonicTime> since =
        limit_ > nanoseconds(0) ? queue_.abandoned().oldest(process.socket().cells) : std::nullopt;
    return since ? std::optional(*since + limit_) : std::nullopt;
}

/** No child tells this process that such a request takes too long. But the child gives it up then.
 *  One that waits for longer has an event stream, which has no limit. */
bool HangWatch::worksAtOldRequest(const Process &process, Watched &watched, MonotonicTime now) const {
    if (!watched.adoptedBusy || limit_ <= nanoseconds(0)) {
        return false;
    }
    const std::vector<std::pair<ChannelId, Ticket>> requests = process.former()->claimed();
    if (requests.empty()) {
        watched.adoptedBusy.reset();
        return false;
    }
    if (now - *watched.adoptedBusy < limit_) {
        return false;
    }
    if (queue_.awaitsAll(requests)) {
        watched.adoptedBusy = now - limit_ + std::max(limit_ / CHECKS, CHILD_GIVES_UP_WITHIN);
        return false;
    }
    return true;
}

bool HangWatch::noteHang(const Process &process, std::chrono::milliseconds limit, MonotonicTime now) {
    Watched &watched = watched_[process.id()];
    if (watched.killAt) {
        return false;
    }
    Log::warn(
        "event=instance.hung app=\"{}\" pid={} limit={} reason=\"it works at a request for longer than "
        "PassengerMaxRequestTime\" action=\"backtraces, then SIGKILL\"",
        app_, process.pid(), fmt::format("{:.3g}s", static_cast<double>(limit.count()) / 1000));
    watched.killAt = now + BACKTRACE_LIMIT;
    return true;
}

void HangWatch::killHung(MonotonicTime now) {
    for (const ProcessPtr &process : instances_.all()) {
        const std::optional<MonotonicTime> killAt = watched_[process->id()].killAt;
        if (killAt && !process->killed() && now >= *killAt) {
            process->kill();
        }
    }
}

std::vector<ProcessPtr> HangWatch::silent(MonotonicTime now) {
    std::vector<ProcessPtr> silent;
    for (const InstanceId id : heartbeats_.overdue(now)) {
        const ProcessPtr process = instances_.find(id);
        heartbeats_.forget(id);
        if (process && !process->killed()) {
            Log::warn(
                "event=instance.heartbeat_lost app=\"{}\" pid={} limit={} reason=\"no sign of life for longer than "
                "PassengerHeartbeatTimeout\" action=SIGKILL",
                app_, process->pid(),
                fmt::format("{}s", std::chrono::duration_cast<std::chrono::seconds>(heartbeats_.timeout()).count()));
            silent.push_back(process);
        }
    }
    return silent;
}

void HangWatch::killUnfinished(MonotonicTime now) {
    for (const ProcessPtr &process : instances_.all()) {
        if (process->state() == Process::State::DRAINING && process->pid() > 0 &&
            now - process->lifecycle().drainsSince() > DRAIN_LIMIT + options_.stopTimeout) {
            if (!process->killed()) {
                Log::warn("event=instance.killed app=\"{}\" pid={} reason=\"it did not finish in time\"", app_,
                          process->pid());
            }
            // Again at each check: a signal is lost if the rights process dies before it reads it.
            process->kill();
        }
    }
}

std::optional<MonotonicTime> HangWatch::next() const {
    std::optional<MonotonicTime> next = heartbeats_.nextDue();
    for (const ProcessPtr &process : instances_.all()) {
        const auto found = watched_.find(process->id());
        if (found == watched_.end()) {
            continue;
        }
        const Watched &watched = found->second;
        if (watched.killAt) {
            next = process->killed() ? next : earlier(next, watched.killAt);
            continue;
        }
        next = earlier(next, abandonedDate(*process));
        if (watched.adoptedBusy && limit_ > nanoseconds(0)) {
            next = earlier(next, *watched.adoptedBusy + limit_);
        }
    }
    return next;
}

}  // namespace Passenger
