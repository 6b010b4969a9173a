#include "pool/Groups.h"

#include <algorithm>
#include <utility>

#include "base/Exceptions.h"
#include "log/Log.h"

namespace Passenger {

Group &Groups::findOrMake(const Options &options) {
    if (Group *known = find(options)) {
        return *known;
    }
    const std::uint32_t slot = takeSlot();
    std::shared_ptr<SuperGroup> made;
    try {
        made = std::make_shared<SuperGroup>(context_, room_, timer_, options, slot);
        all_.reserve(all_.size() + 1);
        superGroups_.emplace(made->name(), made);
    } catch (...) {
        if (made) {
            room_.remove(made->group().scaler());
        }
        freeSlots_.push_front(slot);
        throw;
    }
    Group &group = made->group();
    bySlot_[slot] = &group;
    all_.insert(std::upper_bound(all_.begin(), all_.end(), slot,
                                 [](std::uint32_t one, const Group *other) { return one < other->slot(); }),
                &group);
    return group;
}

/** New slots come first: a slot is used again as late as possible. */
std::uint32_t Groups::takeSlot() {
    if (bySlot_.size() < most_) {
        bySlot_.push_back(nullptr);
        return static_cast<std::uint32_t>(bySlot_.size() - 1);
    }
    if (freeSlots_.empty()) {
        Group *oldest = longestUnused();
        if (oldest == nullptr) {
            withoutSlot_++;
            throw IOException(std::to_string(most_) + " applications are in use already; the agent allows no more");
        }
        forget(*oldest);
    }
    const std::uint32_t slot = freeSlots_.front();
    freeSlots_.pop_front();
    return slot;
}

/**
 * Applications without a queue come first. The others wait for an instance that no request needs: a
 * child can ask for very many applications, and send them nothing. A look at one application reads
 * what all children have in flight, so most are not looked at.
 */
Group *Groups::longestUnused() const {
    std::vector<Group *> byAge = all_;
    std::sort(byAge.begin(), byAge.end(), [](const Group *a, const Group *b) REQUIRES(poolLock) {
        return a->disuse().lastUsed() < b->disuse().lastUsed();
    });
    for (const auto isUnused : {&Disuse::isUnused, &Disuse::isUnusedButQueue}) {
        const auto found = std::find_if(byAge.begin(), byAge.end(), [isUnused](const Group *group) REQUIRES(poolLock) {
            return (group->disuse().*isUnused)();
        });
        if (found != byAge.end()) {
            return *found;
        }
    }
    return nullptr;
}

void Groups::forget(Group &group) {
    Log::info("event=app.forgotten app=\"{}\"", group.name());
    forgotten_++;
    const std::uint32_t slot = group.slot();
    freeSlots_.push_back(slot);
    bySlot_[slot] = nullptr;
    std::erase(all_, &group);
    group.shutDown(false);
    room_.remove(group.scaler());
    timer_.set(group, std::nullopt);
    const auto found = superGroups_.find(group.name());
    const std::shared_ptr<SuperGroup> forgotten = std::move(found->second);
    superGroups_.erase(found);
    context_.threads.keep(forgotten);
    // Callbacks on the loop that are on their way come before this one.
    context_.loop.post([forgotten] {});
}

std::vector<std::shared_ptr<Group>> Groups::share() const {
    std::vector<std::shared_ptr<Group>> all;
    all.reserve(superGroups_.size());
    for (const auto &[name, superGroup] : superGroups_) {
        all.emplace_back(superGroup, &superGroup->group());
    }
    std::sort(all.begin(), all.end(), [](const auto &a, const auto &b) { return a->slot() < b->slot(); });
    return all;
}

std::shared_ptr<Group> Groups::share(const std::string &name) const {
    const auto found = superGroups_.find(name);
    return found == superGroups_.end() ? nullptr : std::shared_ptr<Group>(found->second, &found->second->group());
}

}  // namespace Passenger
