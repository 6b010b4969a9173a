// Pool: what happens by the clock, by files, and by what comes from the loop.

#include <algorithm>
#include <exception>

#include "log/Log.h"
#include "pool/Pool.h"

namespace Passenger {

namespace {

constexpr std::chrono::seconds MEMORY_INTERVAL{5};
constexpr std::chrono::milliseconds SHORTEST_WAIT{1};

}  // namespace

void Pool::upkeep() {
    {
        const PoolGuard guard(context_);
        armedFor_.reset();
        const MonotonicTime now = context_.clock.now();
        startMemoryCheck(now);
        for (Group *group : deadlines_.due(now)) {
            group->attend(now);
        }
        room_.trim();
        arm();
    }
}

void Pool::rescale() {
    const PoolGuard guard(context_);
    for (Group *group : bySlot_) {
        if (group->asks()) {
            group->rescale();
        }
    }
}

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

// ----- Restart files

void Pool::checkRestarts() {
    const LockGuard one(restartCheck_);
    std::vector<Group *> groups;
    {
        const PoolGuard guard(context_);
        groups = bySlot_;
    }
    checkRestarts(groups);
}

void Pool::checkRestart(const Options &options) {
    const LockGuard one(restartCheck_);
    std::vector<Group *> groups;
    {
        const PoolGuard guard(context_);
        if (const auto found = superGroups_.find(options); found != superGroups_.end()) {
            groups.push_back(&found->second->group());
        }
    }
    checkRestarts(groups);
}

void Pool::checkRestarts(const std::vector<Group *> &groups) {
    std::vector<Group *> changed;
    std::vector<Group *> always;
    for (Group *group : groups) {
        try {
            if (!knowsWhoseRestarts(*group)) {
                continue;
            }
            if (group->restartFiles().changed()) {
                changed.push_back(group);
            } else if (group->restartFiles().always()) {
                always.push_back(group);
            }
        } catch (const std::exception &) {
            // The rights of the application's user cannot be taken. Its starts fail for that, and
            // log it. Other applications must not suffer.
            continue;
        }
    }
    const PoolGuard guard(context_);
    if (context_.shuttingDown) {
        return;
    }
    for (Group *group : changed) {
        group->restart();
    }
    for (Group *group : always) {
        if (group->mayAlwaysRestart()) {
            group->restart();
        }
    }
}

/** The first start has not come so far, or could not determine the user. Tries again. */
bool Pool::knowsWhoseRestarts(Group &group) {
    if (group.restartFiles().knowsRights()) {
        return true;
    }
    Options options;
    {
        const PoolGuard guard(context_);
        options = group.options();
    }
    return group.beginRestarts(options);
}

std::vector<RestartFolder> Pool::restartFolders() const {
    std::vector<Group *> groups;
    {
        const PoolGuard guard(context_);
        groups = bySlot_;
    }
    std::vector<RestartFolder> folders;
    folders.reserve(groups.size());
    for (Group *group : groups) {
        if (group->restartFiles().knowsRights()) {
            folders.push_back(group->restartFiles().folder());
        }
    }
    return folders;
}

std::vector<Options> Pool::monitored() const {
    const PoolGuard guard(context_);
    std::vector<Options> result;
    for (const Group *group : bySlot_) {
        if (group->isMonitored()) {
            result.push_back(group->options());
        }
    }
    return result;
}

// ----- Memory

std::optional<MonotonicTime> Pool::nextMemoryCheck() const {
    return measureMemory_ ? std::optional(nextMemoryCheck_) : std::nullopt;
}

void Pool::startMemoryCheck(MonotonicTime now) {
    if (!measureMemory_ || now < nextMemoryCheck_ || context_.shuttingDown) {
        return;
    }
    nextMemoryCheck_ = now + MEMORY_INTERVAL;
    const bool needed = std::any_of(bySlot_.begin(), bySlot_.end(),
                                    [](const Group *group) REQUIRES(poolLock) { return group->isMeasured(); });
    if (!needed || checkingMemory_) {
        return;
    }
    try {
        context_.threads.run("memory", [this] {
            try {
                checkMemory();
            } catch (const std::exception &error) {
                Log::error("event=memory.check_failed error=\"{}\"", error.what());
            }
            const PoolGuard guard(context_);
            checkingMemory_ = false;
        });
        checkingMemory_ = true;
    } catch (const std::exception &error) {
        Log::error("event=memory.check_failed error=\"{}\"", error.what());
    }
}

void Pool::checkMemory() {
    if (!measureMemory_) {
        return;
    }
    std::vector<std::pair<Group *, ProcessPtr>> processes;
    {
        const PoolGuard guard(context_);
        for (Group *group : bySlot_) {
            if (!group->isMeasured()) {
                continue;
            }
            for (const ProcessPtr &process : group->instances().all()) {
                processes.emplace_back(group, process);
            }
        }
    }
    for (auto &[group, process] : processes) {
        const std::optional<std::uint64_t> bytes = measureMemory_(*process);
        const PoolGuard guard(context_);
        if (bytes && !context_.shuttingDown) {
            group->measured(*process, *bytes);
        }
    }
}

// ----- What comes from the loop

void Pool::processDied(Group &group, const ProcessPtr &process) {
    if (!process) {
        return;
    }
    {
        const PoolGuard guard(context_);
        group.processDied(process);
    }
}

void Pool::processSent(Group &group, Process &process, const Frame &frame) {
    const PoolGuard guard(context_);
    group.processSent(process, frame);
}

void Pool::senderGone(std::uint32_t childSlot) {
    const auto channels = context_.channels.removeSender(childSlot);
    std::map<std::uint32_t, std::vector<ChannelId>> byGroup;
    for (const auto &[channel, groupSlot] : channels) {
        byGroup[groupSlot].push_back(channel);
    }
    const PoolGuard guard(context_);
    for (Group *group : bySlot_) {
        group->queue().senders().forgetChild(childSlot);
        if (const auto gone = byGroup.find(group->slot()); gone != byGroup.end()) {
            group->channelsGone(gone->second);
        }
    }
}

void Pool::channelsGone(std::uint32_t childSlot, std::span<const ChannelId> channels) {
    std::map<std::uint32_t, std::vector<ChannelId>> byGroup;
    for (const ChannelId channel : channels) {
        if (const std::optional<std::uint32_t> groupSlot = context_.channels.remove(channel, childSlot)) {
            byGroup[*groupSlot].push_back(channel);
        }
    }
    const PoolGuard guard(context_);
    for (const auto &[groupSlot, gone] : byGroup) {
        if (groupSlot < bySlot_.size()) {
            bySlot_[groupSlot]->channelsGone(gone);
        }
    }
}

bool Pool::requestOverran(std::uint32_t childSlot, std::uint32_t groupSlot, ChannelId channel, Ticket ticket,
                          std::chrono::milliseconds time) {
    if (!context_.channels.owns(childSlot, channel, groupSlot)) {
        return false;
    }
    bool found = false;
    {
        const PoolGuard guard(context_);
        found = groupSlot < bySlot_.size() && bySlot_[groupSlot]->requestOverran(channel, ticket, time);
    }
    return found;
}

bool Pool::channelAdded(ChannelId channel, std::uint32_t groupSlot) {
    const PoolGuard guard(context_);
    if (groupSlot >= bySlot_.size()) {
        return false;
    }
    bySlot_[groupSlot]->queue().senders().reset(channel);
    return true;
}

}  // namespace Passenger
