// The part of Group about requests that an instance works at for too long (PassengerMaxRequestTime).

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "log/Log.h"
#include "pool/Group.h"
#include "pool/Pool.h"

namespace Passenger {

namespace {

/** For Ruby to print backtraces, and for the instance's other threads to finish what they have. */
constexpr std::chrono::seconds LAST_MOMENT{1};

}  // namespace

/**
 * The instance takes no more requests from now on, tells where its threads are, and is killed a moment later. A claim that is not there any more
 * tells that it has ended after all, and nobody is hurt.
 */
bool Group::requestOverran(ChannelId channel, Ticket ticket, std::chrono::milliseconds time) {
    const auto found = std::find_if(processes_.begin(), processes_.end(), [&](const ProcessPtr &process) {
        return queue_.holds(process->socket.cells, channel, ticket);
    });
    if (found == processes_.end()) {
        return false;
    }
    endHung(*found, time);
    return true;
}

void Group::endHung(const ProcessPtr &process, std::chrono::milliseconds time) {
    if (process->killAt) {
        return;
    }
    Log::warn(
        "event=instance.hung app=\"{}\" pid={} limit={} reason=\"it works at a request for longer than "
        "PassengerMaxRequestTime\" action=\"backtraces, then SIGKILL\"",
        name_, process->pid(), fmt::format("{:.3g}s", static_cast<double>(time.count()) / 1000));
    process->killAt = context_.clock.now() + LAST_MOMENT;
    if (process->stays()) {
        restoreTo_ = std::max(restoreTo_, serving());
        retire(process);
    }
    process->askForBacktraces();
    rescale();
    pool_.roomMayHaveCome();
}

/** These channels' senders have left: what an instance has of theirs, only the agent knows now. */
void Group::noteOrphans(const std::vector<ChannelId> &channels) {
    if (options_.maxRequestTime <= std::chrono::milliseconds(0)) {
        return;
    }
    const MonotonicTime now = context_.clock.now();
    for (const ProcessPtr &process : processes_) {
        for (const auto &[channel, ticket] : queue_.claimed(process->socket.cells)) {
            if (std::find(channels.begin(), channels.end(), channel) != channels.end()) {
                process->orphans.push_back({channel, ticket, now});
            }
        }
    }
    rescale();
}

void Group::killHung(MonotonicTime now) {
    const std::chrono::milliseconds limit = options_.maxRequestTime;
    // A copy: who is ended may be gone at once.
    for (const ProcessPtr &process : std::vector<ProcessPtr>(processes_)) {
        const CellRange cells = process->socket.cells;
        std::erase_if(process->orphans, [&](const Process::Orphan &orphan) {
            return limit <= limit.zero() || !queue_.holds(cells, orphan.channel, orphan.ticket);
        });
        if (std::any_of(process->orphans.begin(), process->orphans.end(),
                        [&](const Process::Orphan &orphan) { return now - orphan.since >= limit; })) {
            endHung(process, limit);
        }
        if (process->killAt && !process->killed() && now >= *process->killAt) {
            process->kill();
        }
    }
}

std::optional<MonotonicTime> Group::nextKill() const {
    std::optional<MonotonicTime> next;
    const auto at = [&](MonotonicTime time) { next = next ? std::min(*next, time) : time; };
    for (const ProcessPtr &process : processes_) {
        if (process->killAt) {
            if (!process->killed()) {
                at(*process->killAt);
            }
            continue;
        }
        for (const Process::Orphan &orphan : process->orphans) {
            at(orphan.since + options_.maxRequestTime);
        }
    }
    return next;
}

}  // namespace Passenger
