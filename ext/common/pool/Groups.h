#pragma once

#include <cstdint>
#include <deque>
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
 * The applications of a Pool, by name and by slot in the generation table. A Group that is
 * forgotten lives until no background thread and no callback on the loop can refer to it any more.
 *
 * Owned by the Pool; guarded by the pool's lock.
 */
class Groups {
public:
    /** All arguments outlive this object. @param most applications that may be known at once */
    Groups(PoolContext &context, Room &room, UpkeepTimer &timer, std::uint32_t most)
        : context_(context), room_(room), timer_(timer), most_(most) {}

    /** Where all slots are taken, forgets the application that is unused for longest.
     *  @throws IOException (too many applications are in use), SystemException */
    Group &findOrMake(const Options &options) REQUIRES(poolLock);
    /** Null: there is none. @param key an application's options, or the name of its SuperGroup */
    template <typename Key> Group *find(const Key &key) const REQUIRES(poolLock) {
        const auto found = superGroups_.find(key);
        return found == superGroups_.end() ? nullptr : &found->second->group();
    }
    /** Null: no application has that slot. */
    Group *at(std::uint32_t slot) const REQUIRES(poolLock) { return slot < bySlot_.size() ? bySlot_[slot] : nullptr; }
    /** In the order of their slots. */
    const std::vector<Group *> &all() const REQUIRES(poolLock) { return all_; }
    /** All Groups, for use without the lock. A Group that was forgotten meanwhile is shut down. */
    std::vector<std::shared_ptr<Group>> share() const REQUIRES(poolLock);
    /** One Group, for use without the lock. Null: there is none. @param name of the SuperGroup */
    std::shared_ptr<Group> share(const std::string &name) const REQUIRES(poolLock);
    /**
     * The application is unused (Group::disuse()): its descriptors are closed, and the next
     * request makes another Group, which may have another slot. Another application may get the
     * slot. A child that still knows it asks anew: the generation is another one.
     */
    void forget(Group &group) REQUIRES(poolLock);
    /** How many were forgotten, and how often no slot was free for a further one. */
    std::uint64_t forgotten() const REQUIRES(poolLock) { return forgotten_; }
    std::uint64_t withoutSlot() const REQUIRES(poolLock) { return withoutSlot_; }

private:
    PoolContext &context_;
    Room &room_;
    UpkeepTimer &timer_;
    const std::uint32_t most_;
    std::uint32_t takeSlot() REQUIRES(poolLock);
    Group *longestUnused() const REQUIRES(poolLock);

    std::unordered_map<std::string, std::shared_ptr<SuperGroup>, GroupNameHash, GroupNameEqual> superGroups_
        GUARDED_BY(poolLock);
    /** Null: the slot is free. */
    std::vector<Group *> bySlot_ GUARDED_BY(poolLock);
    std::vector<Group *> all_ GUARDED_BY(poolLock);
    /** The slots of forgotten applications, the longest free first. */
    std::deque<std::uint32_t> freeSlots_ GUARDED_BY(poolLock);
    std::uint64_t forgotten_ GUARDED_BY(poolLock) = 0;
    std::uint64_t withoutSlot_ GUARDED_BY(poolLock) = 0;
};

}  // namespace Passenger
