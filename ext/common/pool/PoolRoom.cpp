// Pool: which application may start an instance, and which has to give one up for it.

#include <algorithm>

#include "pool/Pool.h"

namespace Passenger {

namespace {

constexpr std::chrono::milliseconds SHORTEST_WAIT{1};

/** Who wants room for a request comes before who wants an instance in reserve; then the one whose request has waited longest. */
bool comesBefore(const Group &a, const Group &b) REQUIRES(poolLock) {
    const std::optional<MonotonicTime> one = a.demand().roomRequest().oldestWaiter;
    const std::optional<MonotonicTime> other = b.demand().roomRequest().oldestWaiter;
    if (one && other && *one != *other) {
        return *one < *other;
    }
    return one.has_value() != other.has_value() ? one.has_value() : a.slot() < b.slot();
}

}  // namespace

unsigned Pool::size() const {
    unsigned sum = 0;
    for (const Group *group : bySlot_) {
        sum += group->size();
    }
    return sum;
}

unsigned Pool::draining() const {
    unsigned sum = 0;
    for (const Group *group : bySlot_) {
        sum += group->instances().draining();
    }
    return sum;
}

bool Pool::hasRoom() const {
    return size() < context_.settings.maxSize;
}

bool Pool::hasRoomToSpare() const {
    return hasRoom() && wishes_.empty() && replacementWishes_.empty();
}

/** How many applications have their turn before this one. */
unsigned Pool::olderWishes(const Group &group) const {
    return static_cast<unsigned>(
        std::count_if(wishes_.begin(), wishes_.end(), [&](const auto &wish) REQUIRES(poolLock) {
            return wish.second != &group && comesBefore(*wish.second, group);
        }));
}

bool Pool::admit(Group &group, MonotonicTime now) {
    wishes_.emplace(group.slot(), &group);
    const unsigned max = context_.settings.maxSize + (group.replacing() ? 1 : 0);
    const unsigned older = olderWishes(group);
    // What is ending makes room, but has not yet. More than one may have to go: the limit may have been lowered below what there is.
    while (size() + older >= max + draining()) {
        Group *victim = chooseVictim(group.demand().roomRequest(), &group, now);
        if (victim == nullptr) {
            break;
        }
        victim->evict();
    }
    return size() + older < max;
}

/** Ends idle instances that are above the limit, since it was lowered, be they somebody's minimum. Those that work are looked at later. */
void Pool::trim() {
    while (size() > context_.settings.maxSize + draining() + (replacing() ? 1 : 0)) {
        const Candidates candidates = this->candidates(nullptr);
        const std::optional<std::size_t> victim = chooseSurplus(candidates.rooms);
        if (!victim) {
            return;
        }
        candidates.groups[*victim]->evict();
    }
}

Pool::Candidates Pool::candidates(const Group *except) const {
    Candidates result;
    for (Group *each : bySlot_) {
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

Group *Pool::chooseVictim(const RoomRequest &request, const Group *except, MonotonicTime now) const {
    const Candidates candidates = this->candidates(except);
    const std::optional<std::size_t> victim = Passenger::chooseVictim(request, candidates.rooms, now);
    return victim ? candidates.groups[*victim] : nullptr;
}

/** Whether an instance takes another one's place, so that there may be one more. */
bool Pool::replacing() const {
    return std::any_of(bySlot_.begin(), bySlot_.end(), [](const Group *each) REQUIRES(poolLock) {
        return each->replacing() || each->startingReplacement();
    });
}

void Pool::satisfied(Group &group) {
    wishes_.erase(group.slot());
}

bool Pool::wantsRoom(const Group &group) const {
    return wishes_.contains(group.slot()) || replacementWishes_.contains(group.slot());
}

/** The limit is exceeded by one at most, however many want to replace. Who is over it because it was lowered may replace all the same, one at
 *  a time. */
bool Pool::admitReplacement(Group &group) {
    if ((hasRoom() || !replacing()) && (!group.atLimit() || !group.replacing()) && !group.startingReplacement()) {
        return true;
    }
    replacementWishes_.emplace(group.slot(), &group);
    return false;
}

void Pool::withdrawReplacement(const Group &group) {
    replacementWishes_.erase(group.slot());
}

void Pool::roomMayHaveCome() {
    if (wishes_.empty() && replacementWishes_.empty()) {
        return;
    }
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
            // Nobody has more right to room than it.
            return;
        }
    }
}

// ----- The deadlines

void Pool::setDate(Group &group, std::optional<MonotonicTime> date) {
    deadlines_.set(&group, date);
    arm();
}

void Pool::arm() {
    const std::optional<MonotonicTime> next = deadlines_.next();
    if (!ownTimer_ || !next || context_.shuttingDown || (armedFor_ && *armedFor_ <= *next)) {
        return;
    }
    armedFor_ = next;
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(*next - context_.clock.now());
    timer_.start(std::max(wait, SHORTEST_WAIT));
}

}  // namespace Passenger
