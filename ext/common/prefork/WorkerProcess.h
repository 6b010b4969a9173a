#pragma once

#include <sys/types.h>

#include "base/StrongId.h"

namespace Passenger {

/** The id of a worker. Ids grow and are never used again. */
using WorkerId = StrongId<struct WorkerIdTag>;

/**
 * The process of a worker. The monitor owns it and uses it on its loop. The destructor kills
 * (SIGKILL) a process that has not ended.
 */
class WorkerProcess {
public:
    virtual ~WorkerProcess() = default;
    virtual pid_t pid() const = 0;
    /** False: the process has ended. A signal never reaches another process. */
    virtual bool signal(int signal) = 0;
    /**
     * In a forked child, where the process belongs to the parent: from now on no method has an
     * effect.
     */
    virtual void forget() noexcept = 0;
};

}  // namespace Passenger
