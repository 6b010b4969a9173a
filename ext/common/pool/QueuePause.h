#pragma once

#include <optional>

#include "base/Clock.h"
#include "pool/ApplicationQueue.h"
#include "pool/Instances.h"
#include "pool/Process.h"
#include "pool/QueuePauses.h"

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
    QueuePause(QueuePauses &pauses, const Clock &clock, ApplicationQueue &queue, const Instances &instances);

    /** Nothing: the queue is not paused. */
    std::optional<MonotonicTime> until() const { return pauses_.until(queue_.name()); }
    /** A pause that holds already gets this end. @throws IOException as QueuePauses::begin() */
    void begin(MonotonicTime until);
    /** Does nothing if the queue is not paused. @param reason for the log */
    void end(const char *reason);
    void endIfDue(MonotonicTime now);
    /** The instance begins to serve or to stand by, and perhaps a pause has begun or ended
     *  meanwhile. One that stands by takes no request, without a pause either. */
    void apply(Process &process) const;

private:
    QueuePauses &pauses_;
    const Clock &clock_;
    ApplicationQueue &queue_;
    const Instances &instances_;
};

}  // namespace Passenger
