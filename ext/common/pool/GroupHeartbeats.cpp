// The part of Group about instances that give no sign of life (PassengerHeartbeatTimeout).

#include <algorithm>

#include <fmt/format.h>

#include "log/Log.h"
#include "pool/Group.h"

namespace Passenger {

namespace {

/** So often within the time-out it is looked at who is silent: signs that were not read in a pause of ours, which is noticed when it is
 *  longer than two of these, are then never that old. */
constexpr int LOOKS = 4;

}  // namespace

/** What an instance is told to send at: milliseconds; 0: nothing. */
std::uint64_t Group::heartbeatInterval(const Options &options) {
    const auto interval = Heartbeats<InstanceId>(options.heartbeatTimeout).ackInterval();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(interval).count());
}

/** Its time begins now. Instances that were started with other settings send at their own rate: as long as they live, the longest time counts
 *  for all. */
void Group::expectHeartbeats(const Process &process, MonotonicTime now) {
    if (process.heartbeatTimeout <= std::chrono::nanoseconds(0)) {
        return;
    }
    heartbeats_.noteAck(process.id(), now);
    std::chrono::nanoseconds timeout(0);
    for (const ProcessPtr &each : processes_) {
        timeout = std::max(timeout, each->heartbeatTimeout);
    }
    heartbeats_.setTimeout(timeout);
    heartbeats_.setCheckInterval(timeout / LOOKS);
}

/** Of one that was asked for it, and still counts. */
void Group::noteHeartbeat(const Process &process) {
    if (heartbeats_.lastAck(process.id())) {
        heartbeats_.noteAck(process.id(), context_.clock.now());
    }
}

/** Whatever they have in work is lost, and is not given to another one, which it might hang as well. Their end is as unexpected as any: others
 *  come for them. */
void Group::killSilent(MonotonicTime now) {
    for (const InstanceId id : heartbeats_.overdue(now)) {
        const ProcessPtr process = findProcess(id);
        heartbeats_.forget(id);
        if (process && !process->killed()) {
            Log::warn(
                "event=instance.heartbeat_lost app=\"{}\" pid={} limit={} reason=\"no sign of life for longer than "
                "PassengerHeartbeatTimeout\" action=SIGKILL",
                name_, process->pid(),
                fmt::format("{}s", std::chrono::duration_cast<std::chrono::seconds>(heartbeats_.timeout()).count()));
            process->kill();
        }
    }
}

void Group::forgetHeartbeats(const Process &process) {
    heartbeats_.forget(process.id());
}

}  // namespace Passenger
