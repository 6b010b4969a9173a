#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/Clock.h"
#include "policy/RoomPolicy.h"
#include "pool/PoolContext.h"

namespace Passenger {

class Group;

/**
 * Shares the room of a Pool, PoolSettings::maxSize, among its applications: decides which one may
 * start an instance, and has another one give up an instance where that is fair.
 *
 * Owned by the Pool; guarded by the pool's lock.
 *
 * Always true: a Group that was not admitted is looked at again at its own date, and when an
 * instance has ended and no Group before it waits any more.
 */
class Room {
public:
    /** @param groups all Groups of the Pool, by slot; both arguments outlive this object */
    Room(const PoolSettings &settings, const std::vector<Group *> &groups) : settings_(settings), groups_(groups) {}

    /**
     * Whether the Group may start one instance more. If not, its wish is kept, and room is made for
     * it where that is fair.
     */
    bool admit(Group &group, MonotonicTime now) REQUIRES(poolLock);
    /** The Group has no wish any more. */
    void satisfied(const Group &group) REQUIRES(poolLock);
    /** Whether the Group may start an instance that takes another one's place. If not, its wish is
     *  kept. */
    bool admitReplacement(Group &group) REQUIRES(poolLock);
    /** The Group has no such wish any more, or is about to ask again. */
    void withdrawReplacement(const Group &group) REQUIRES(poolLock);
    bool hasWish(const Group &group) const REQUIRES(poolLock);

    /** All instances that count. */
    unsigned size() const REQUIRES(poolLock);
    bool isFree() const REQUIRES(poolLock) {
        return size() < settings_.maxSize;
    }
    /** Whether there is room for a spare instance, which no other Group wants. */
    bool isFreeForSpares() const REQUIRES(poolLock) {
        return isFree() && wishes_.empty() && replacementWishes_.empty();
    }
    /** How many Groups could not start an instance that they need. */
    unsigned wishes() const REQUIRES(poolLock) {
        return static_cast<unsigned>(wishes_.size());
    }

    /** There may be more room: rescales the Groups with wishes. An instance does not tell that it
     *  is idle. */
    void mayHaveCome() REQUIRES(poolLock);
    /** Ends idle instances above a limit that was lowered, even if they are an application's
     *  minimum. Busy ones end when they are idle and this is called again. */
    void trim() REQUIRES(poolLock);

private:
    /** Groups with an instance that could go, and what is known of each. */
    struct Candidates {
        std::vector<Group *> groups;
        std::vector<RoomCandidate> rooms;
    };

    unsigned draining() const REQUIRES(poolLock);
    unsigned olderWishes(const Group &group) const REQUIRES(poolLock);
    Candidates candidates(const Group *except) const REQUIRES(poolLock);
    Group *chooseVictim(const Group &group, MonotonicTime now) const REQUIRES(poolLock);
    bool replacing() const REQUIRES(poolLock);

    const PoolSettings &settings_;
    const std::vector<Group *> &groups_;
    /** Groups that could not start an instance that they need, by slot. */
    std::map<std::uint32_t, Group *> wishes_;
    /** Groups that could not start a replacement. */
    std::map<std::uint32_t, Group *> replacementWishes_;
};

}  // namespace Passenger
