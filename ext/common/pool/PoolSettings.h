#pragma once

#include <chrono>

namespace Passenger {

struct PoolSettings {
    /** Instances over all applications. */
    unsigned maxSize = 6;
    /** Instances of one application; 0: no limit of its own. */
    unsigned maxInstancesPerApp = 0;
    /** MB that the instances of all applications may use together (PSS); 0: no limit. */
    unsigned memoryBudget = 0;
    /** An instance that was not needed for so long ends; zero: never. */
    std::chrono::nanoseconds idleTime = std::chrono::seconds(300);
    /** An application without instances, requests and reply channels for so long is forgotten;
     *  zero: never. */
    std::chrono::nanoseconds forgetTime = std::chrono::hours(1);
};

}  // namespace Passenger
