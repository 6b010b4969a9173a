#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/Clock.h"
#include "base/Mutex.h"
#include "exchange/Options.h"
#include "loop/EventLoop.h"
#include "spawning/OutputLimit.h"

namespace Passenger {

/** The OutputLimits of all applications with processes, by name. Owned by AppResources.
 *  Thread-safe. */
class OutputLimits {
public:
    /** Loop and clock outlive this object and the limits. */
    OutputLimits(EventLoop &loop, const Clock &clock, LimitCountsPtr counts)
        : loop_(loop), clock_(clock), counts_(std::move(counts)) {}

    /** The application's, with the limit of these options from now on. */
    std::shared_ptr<OutputLimit> of(const Options &options) EXCLUDES(mutex_);

private:
    EventLoop &loop_;
    const Clock &clock_;
    const LimitCountsPtr counts_;
    Mutex mutex_{Locks::OUTPUT_LIMITS};
    std::map<std::string, std::weak_ptr<OutputLimit>> limits_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
