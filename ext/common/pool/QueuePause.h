#pragma once

#include <optional>

#include "base/Clock.h"
#include "pool/ApplicationQueue.h"
#include "pool/Instances.h"
#include "pool/PoolContext.h"
#include "pool/Process.h"

namespace Passenger {

/**
 * Pauses the queue of an application: its instances finish the requests that they have and take no
 * others until the pause ends. QueuePauses remembers the pause. Children are told, so that they do
 * not take the waits for an overload.
 *
 * Owned by the Group; guarded by the pool's lock. Nothing in it waits.
 */
class QueuePause {
public:
    /** All arguments outlive this object. */
    QueuePause(PoolContext &context, ApplicationQueue &queue, const Instances &instances) REQUIRES(poolLock);

    /** Nothing: the queue is not paused. */
    std::optional<MonotonicTime> until() const REQUIRES(poolLock) { return context_.pauses.until(queue_.name()); }
    /** A pause that holds already gets this end. @throws IOException as QueuePauses::begin() */
    void begin(MonotonicTime until) REQUIRES(poolLock);
    /** Does nothing if the queue is not paused. @param reason for the log */
    void end(const char *reason) REQUIRES(poolLock);
    void endIfDue(MonotonicTime now) REQUIRES(poolLock);
    /** The instance begins to serve or to stand by, and perhaps a pause has begun or ended
     *  meanwhile. One that stands by takes no request, without a pause either. */
    void apply(Process &process) const REQUIRES(poolLock);

private:
    PoolContext &context_;
    ApplicationQueue &queue_;
    const Instances &instances_;
};

}  // namespace Passenger
