#pragma once

#include <string>

#include "pool/Group.h"

namespace Passenger {

/**
 * A collection of Groups that are deployed together. It holds exactly one Group; callers address
 * the SuperGroup by name. Owned by the Pool; guarded by the pool's lock.
 */
class SuperGroup {
public:
    SuperGroup(PoolContext &context, Room &room, UpkeepTimer &timer, const Options &options, std::uint32_t slot)
        : group_(context, room, timer, options, slot) {}

    const std::string &name() const noexcept { return group_.name(); }
    Group &group() noexcept { return group_; }
    const Group &group() const noexcept { return group_; }

private:
    Group group_;
};

}  // namespace Passenger
