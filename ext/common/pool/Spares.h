#pragma once

#include <optional>

#include "base/Clock.h"
#include "exchange/Options.h"
#include "policy/IdlePolicy.h"
#include "pool/Demand.h"
#include "pool/Instances.h"
#include "pool/Spawns.h"

namespace Passenger {

/**
 * Decides how many instances of an application are kept without a request
 * (PassengerMinSpareInstances, PassengerMaxSpareInstances).
 *
 * Owned by the Group; guarded by the pool's lock. All times are passed in. Without these options it
 * keeps no instance and ends none.
 */
class Spares {
public:
    /** All arguments outlive this object. @param options of the application, as they are now */
    Spares(const Options &options, Demand &demand, const Instances &instances, const Spawns &spawns)
        : options_(options), demand_(demand), instances_(instances), spawns_(spawns) {}

    /** How many to start, where there is room that no other application wants. */
    unsigned missing(MonotonicTime now) const;
    /** How many idle ones to end; 0 until its date has come. */
    unsigned surplus(MonotonicTime now);
    /** The date of the next surplus(); nothing: there is none. */
    std::optional<MonotonicTime> nextCheck(MonotonicTime now) const;
    /** The number of `idle` instances, which were not needed for the idle time, that may end for
     *  that. */
    unsigned withoutSpares(unsigned idle, MonotonicTime now) const;
    /** An instance was added. */
    void restart(MonotonicTime now) { recent_.restart(now); }

private:
    bool wanted() const noexcept { return options_.minSpareInstances > 0 || options_.maxSpareInstances > 0; }

    const Options &options_;
    Demand &demand_;
    const Instances &instances_;
    const Spawns &spawns_;
    /** How many instances were at work at once in the last second. */
    IdlePolicy recent_;
    MonotonicTime nextCheck_{};
};

}  // namespace Passenger
