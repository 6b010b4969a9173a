#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "exchange/GroupName.h"
#include "exchange/Options.h"
#include "pool/Group.h"
#include "pool/PoolContext.h"
#include "pool/Room.h"
#include "pool/SuperGroup.h"
#include "pool/UpkeepTimer.h"

namespace Passenger {

/**
 * The applications of a Pool, by name and by slot in the generation table. A Group lives as long as
 * this object.
 *
 * Owned by the Pool; guarded by the pool's lock.
 */
class Groups {
public:
    /** All arguments outlive this object. */
    Groups(PoolContext &context, Room &room, UpkeepTimer &timer) : context_(context), room_(room), timer_(timer) {}

    /** @throws IOException (too many applications), SystemException */
    Group &findOrMake(const Options &options) REQUIRES(poolLock);
    /** Null: there is none. @param key an application's options, or the name of its SuperGroup */
    template <typename Key> Group *find(const Key &key) const REQUIRES(poolLock) {
        const auto found = superGroups_.find(key);
        return found == superGroups_.end() ? nullptr : &found->second->group();
    }
    /** Null: no application has that slot. */
    Group *at(std::uint32_t slot) const REQUIRES(poolLock) {
        return slot < bySlot_.size() ? bySlot_[slot] : nullptr;
    }
    /** By slot. */
    const std::vector<Group *> &all() const REQUIRES(poolLock) {
        return bySlot_;
    }

private:
    PoolContext &context_;
    Room &room_;
    UpkeepTimer &timer_;
    std::unordered_map<std::string, std::unique_ptr<SuperGroup>, GroupNameHash, GroupNameEqual> superGroups_
        GUARDED_BY(poolLock);
    std::vector<Group *> bySlot_ GUARDED_BY(poolLock);
};

}  // namespace Passenger
