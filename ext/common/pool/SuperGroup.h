#pragma once

#include <memory>
#include <string>

#include "pool/Group.h"

namespace Passenger {

/**
 * A collection of Groups that are deployed together (seed 000). Today it holds exactly one; the class stays, so that what is
 * addressed by name is the SuperGroup. Owned by the Pool; guarded by the pool's lock.
 */
class SuperGroup {
public:
    SuperGroup(Pool &pool, PoolContext &context, const Options &options, std::uint32_t slot)
        : name_(options.groupName()), group_(std::make_unique<Group>(pool, context, options, slot)) {}

    const std::string &name() const noexcept {
        return name_;
    }
    Group &group() noexcept {
        return *group_;
    }
    const Group &group() const noexcept {
        return *group_;
    }

private:
    std::string name_;
    std::unique_ptr<Group> group_;
};

}  // namespace Passenger
