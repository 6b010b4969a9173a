// The part of Group about requests that an instance works at for too long (PassengerMaxRequestTime).

#include <algorithm>

#include <fmt/format.h>

#include "base/Log.h"
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
bool Group::requestOverran(ChannelId channel, Ticket ticket, std::chrono::milliseconds time, AfterUnlock &after) {
    const auto found = std::find_if(processes_.begin(), processes_.end(), [&](const ProcessPtr &process) {
        return line_ && line_->holds(process->socket.cells, channel, ticket);
    });
    if (found == processes_.end()) {
        return false;
    }
    const ProcessPtr process = *found;
    if (process->killAt) {
        return true;
    }
    Log::warn(
        "event=instance.hung app=\"{}\" pid={} limit={} reason=\"it works at a request for longer than "
        "PassengerMaxRequestTime\" action=\"backtraces, then SIGKILL\"",
        name_, process->pid(), fmt::format("{:.3g}s", static_cast<double>(time.count()) / 1000));
    process->killAt = context_.clock.now() + LAST_MOMENT;
    if (process->stays()) {
        restoreTo_ = std::max(restoreTo_, serving());
        retire(process);
        serveWaiters(after);
    }
    process->askForBacktraces();
    rescale();
    pool_.roomMayHaveCome();
    return true;
}

void Group::killHung(MonotonicTime now) {
    for (const ProcessPtr &process : processes_) {
        if (process->killAt && !process->killed() && now >= *process->killAt) {
            process->kill();
        }
    }
}

std::optional<MonotonicTime> Group::nextKill() const {
    std::optional<MonotonicTime> next;
    for (const ProcessPtr &process : processes_) {
        if (process->killAt && !process->killed()) {
            next = next ? std::min(*next, *process->killAt) : *process->killAt;
        }
    }
    return next;
}

}  // namespace Passenger
