#pragma once

#include <chrono>
#include <memory>

#include "policy/SparePolicy.h"
#include "prefork/PreForkServer.h"

namespace Passenger {

struct PreForkSettings {
    std::shared_ptr<PreForkServer> server;
    /** True: the monitor ends when a fork fails. False: it retries with growing delays. */
    bool shutdownOnError = true;
    /** start_servers, min_spare_servers, max_spare_servers and max_clients. */
    SpareLimits limits;
    /** About how long a worker may be silent. Zero: without limit. */
    std::chrono::milliseconds timeout{0};

    /** The longest silence before a worker's first sign. Zero: `timeout` counts from the start. */
    std::chrono::milliseconds startTimeout{0};
    /** The time from SIGINT to SIGKILL. */
    std::chrono::milliseconds grace{10000};
    /**
     * The monitor ends surplus free workers after they were surplus for this time. So workers do
     * not start and end with each connection.
     */
    std::chrono::milliseconds surplusTime{1000};
};

}  // namespace Passenger
