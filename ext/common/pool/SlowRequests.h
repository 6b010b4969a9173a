#pragma once

#include <chrono>
#include <string>
#include <unordered_map>

#include "base/Clock.h"
#include "base/LogLimit.h"
#include "base/StrongId.h"
#include "pool/ApplicationQueue.h"
#include "pool/Instances.h"
#include "pool/Process.h"

namespace Passenger {

/**
 * Logs the requests of an application that take longer than PassengerSlowRequestLog, and asks the
 * instances that work at them for backtraces. Limits what a sender of requests can cause: LogLimit
 * for lines, and for each instance one question in LogLimit::INTERVAL.
 *
 * Owned by the Group; guarded by the pool's lock. Nothing in it waits; all times are passed in.
 */
class SlowRequests {
public:
    /** All arguments outlive this object. */
    SlowRequests(const std::string &app, const ApplicationQueue &queue, const Instances &instances)
        : app_(app), queue_(queue), instances_(instances) {}

    /** The answer to this request has not begun within `limit`. */
    void note(ChannelId channel, Ticket ticket, std::chrono::milliseconds limit, MonotonicTime now);

private:
    void askForBacktraces(Process &process, MonotonicTime now);

    const std::string &app_;
    const ApplicationQueue &queue_;
    const Instances &instances_;
    LogLimit lines_;
    /** When living instances were last asked. */
    std::unordered_map<InstanceId, MonotonicTime> asked_;
};

}  // namespace Passenger
