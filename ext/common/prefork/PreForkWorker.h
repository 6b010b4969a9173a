#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>

#include "base/Clock.h"
#include "prefork/WorkerProcess.h"

namespace Passenger {

/** A worker as its monitor knows it. */
struct PreForkWorker {
    WorkerId id;
    pid_t pid = 0;
    std::unique_ptr<WorkerProcess> process;
    MonotonicTime lastAck;
    MonotonicTime startTime;
    /** False until the worker's first message: until then it is starting. */
    bool ready = false;
    /** True once the worker has been busy and then free again. */
    bool proven = false;
    /** True once the monitor has told the worker to end. */
    bool told = false;
    /** The time of SIGKILL, for a worker that got SIGINT and no SIGKILL yet. */
    std::optional<MonotonicTime> killTime;
};

/** In the order of their age. A worker moves between maps as a node, so its address stays. */
using PreForkWorkers = std::map<WorkerId, PreForkWorker>;

/** A copy of some fields of a worker. */
struct WorkerSnapshot {
    WorkerId id;
    pid_t pid = 0;
    MonotonicTime lastAck;
    MonotonicTime startTime;
    bool ready = false;
};

}  // namespace Passenger
