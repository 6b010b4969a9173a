#pragma once

#include "pool/ApplicationQueue.h"

namespace Passenger {

/** How a Process takes requests from the queue of its generation. Guarded by the pool's lock. */
struct Socket {
    /** Requests that the Process can run at once. */
    unsigned concurrency = 1;
    /** The queue that the Process was given last. */
    Generation queue;
    /** The claims of the Process. */
    CellRange cells;
};

}  // namespace Passenger
