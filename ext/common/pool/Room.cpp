#include "pool/Room.h"

#include <algorithm>

#include "pool/Group.h"

namespace Passenger {

namespace {

/** A wish for a request comes before one for an instance in reserve; then the one whose request has
 *  waited longest. */
bool comesBefore(const Group &a, const Group &b) REQUIRES(poolLock) {
    const std::optional<MonotonicTime> one = a.demand().waitingSince();
    const std::optional<MonotonicTime> other = b.demand().waitingSince();
    if (one && other && *one != *other) {
        return *one < *other;
    }
    return one.has_value() != other.has_value() ? one.has_value() : a.slot() < b.slot();
}

}  // namespace

unsigned Room::size() const {
    unsigned sum = 0;
    for (const Group *group : groups_) {
        sum += group->size();
    }
    return sum;
}

unsigned Room::draining() const {
    unsigned sum = 0;
    for (const Group *group : groups_) {
        sum += group->instances().draining();
    }
    return sum;
}

/** How many Groups have their turn before this one. */
unsigned Room::olderWishes(const Group &group) const {
    return static_cast<unsigned>(
        std::count_if(wishes_.begin(), wishes_.end(), [&](const auto &wish) REQUIRES(poolLock) {
            return wish.second != &group && comesBefore(*wish.second, group);
        }));
}

bool Room::admit(Group &group, MonotonicTime now) {
    wishes_.emplace(group.slot(), &group);
    const unsigned max = settings_.maxSize + (group.replacing() ? 1 : 0);
    const unsigned older = olderWishes(group);
    // Instances that end make room soon. More than one may have to go: the limit may have been
    // lowered below the present number.
    while (size() + older >= max + draining()) {
        Group *victim = chooseVictim(group, now);
        if (victim == nullptr) {
            break;
        }
        victim->evict();
    }
    return size() + older < max;
}

void Room::trim() {
    while (size() > settings_.maxSize + draining() + (replacing() ? 1 : 0)) {
        const Candidates candidates = this->candidates(nullptr);
        const std::optional<std::size_t> victim = chooseSurplus(candidates.rooms);
        if (!victim) {
            return;
        }
        candidates.groups[*victim]->evict();
    }
}

Room::Candidates Room::candidates(const Group *except) const {
    Candidates result;
    for (Group *each : groups_) {
        if (each == except) {
            continue;
        }
        if (const std::optional<RoomCandidate> candidate = each->demand().roomCandidate()) {
            result.groups.push_back(each);
            result.rooms.push_back(*candidate);
        }
    }
    return result;
}

Group *Room::chooseVictim(const Group &group, MonotonicTime now) const {
    const Candidates candidates = this->candidates(&group);
    const std::optional<std::size_t> victim =
        Passenger::chooseVictim(group.demand().roomRequest(), candidates.rooms, now);
    return victim ? candidates.groups[*victim] : nullptr;
}

/** Whether an instance takes another one's place, so that there may be one more. */
bool Room::replacing() const {
    return std::any_of(groups_.begin(), groups_.end(), [](const Group *each) REQUIRES(poolLock) {
        return each->replacing() || each->startingReplacement();
    });
}

void Room::satisfied(const Group &group) {
    wishes_.erase(group.slot());
}

bool Room::hasWish(const Group &group) const {
    return wishes_.contains(group.slot()) || replacementWishes_.contains(group.slot());
}

/** Replacements exceed the limit by one at most. A Group that is above a lowered limit may still
 *  replace its instances, one at a time. */
bool Room::admitReplacement(Group &group) {
    if ((isFree() || !replacing()) && (!group.atLimit() || !group.replacing()) && !group.startingReplacement()) {
        return true;
    }
    replacementWishes_.emplace(group.slot(), &group);
    return false;
}

void Room::withdrawReplacement(const Group &group) {
    replacementWishes_.erase(group.slot());
}

void Room::mayHaveCome() {
    std::vector<Group *> groups;
    for (const auto &[slot, group] : replacementWishes_) {
        groups.push_back(group);
    }
    const std::size_t replacers = groups.size();
    for (const auto &[slot, group] : wishes_) {
        groups.push_back(group);
    }
    std::sort(groups.begin() + static_cast<std::ptrdiff_t>(replacers), groups.end(),
              [](const Group *a, const Group *b) REQUIRES(poolLock) { return comesBefore(*a, *b); });
    for (std::size_t i = 0; i < groups.size(); i++) {
        groups[i]->rescale();
        if (i >= replacers && wishes_.contains(groups[i]->slot()) && groups[i]->instances().serving() == 0) {
            // No other Group has more right to room.
            return;
        }
    }
}

}  // namespace Passenger
