#include "pool/Pool.h"

#include <condition_variable>
#include <cstdlib>

#include "base/Exceptions.h"
#include "base/Log.h"
#include "pool/LocalSender.h"
#include "pool/QueueSession.h"

namespace Passenger {

namespace {

/** How often a full pool is looked at for an instance that could go, while an application wants one. */
constexpr std::chrono::milliseconds ROOM_INTERVAL{50};

}  // namespace

Pool::Pool(const Parts &parts, const PoolSettings &settings)
    : context_{parts.loop, parts.factory, parts.channels, parts.clock, parts.deposits},
      roomTimer_(parts.loop, [this] { rescale(); }) {
    context_.settings = settings;
}

Pool::~Pool() {
    if (context_.loop.onLoopThread()) {
        Log::write(LogLevel::CRIT,
                   "event=pool.misuse error=\"a Pool was destroyed on its event loop, which it waits for\"");
        std::abort();
    }
    shutDown();
    roomTimer_.stop();
    // Spawn loops see that it is over; what they still bring is retired at once.
    context_.threads.join();
    std::vector<ProcessPtr> processes;
    std::vector<std::shared_ptr<Spawner>> spawners;
    {
        const PoolGuard guard(context_);
        for (Group *group : bySlot_) {
            for (ProcessPtr &process : group->takeProcesses()) {
                processes.push_back(std::move(process));
            }
            spawners.push_back(group->takeSpawner());
        }
    }
    // Without the lock: watchers wait for a callback that runs, and callbacks take the lock.
    processes.clear();
    spawners.clear();
    // What was buried before is destroyed on the loop; after this it is.
    context_.loop.runSync([] {});
    context_.threads.join();
}

Group &Pool::find(const Options &options) {
    const std::string name = options.groupName();
    const auto found = superGroups_.find(name);
    if (found != superGroups_.end()) {
        return found->second->group();
    }
    if (bySlot_.size() == GenerationLayout::GROUPS) {
        throw IOException("4,096 applications are known already, the most that may be");
    }
    auto made = std::make_unique<SuperGroup>(*this, context_, options, static_cast<std::uint32_t>(bySlot_.size()));
    Group &group = made->group();
    superGroups_.emplace(name, std::move(made));
    bySlot_.push_back(&group);
    return group;
}

// ----- Sessions

SessionPtr Pool::get(const Options &options) {
    std::mutex mutex;
    std::condition_variable arrived;
    std::optional<Group::GetOutcome> outcome;
    asyncGet(options, [&](Group::GetOutcome result) {
        const std::lock_guard<std::mutex> guard(mutex);
        outcome.emplace(std::move(result));
        arrived.notify_one();
    });
    std::unique_lock<std::mutex> lock(mutex);
    arrived.wait(lock, [&] { return outcome.has_value(); });
    if (!*outcome) {
        const GetFailure &failure = outcome->error();
        if (failure.reason == GetFailure::Reason::SPAWN_FAILED) {
            throw SpawnException(failure.summary, failure.report);
        }
        throw IOException(failure.summary);
    }
    return std::move(**outcome);
}

void Pool::asyncGet(const Options &options, Group::GetCallback callback) {
    AfterUnlock after;
    bool pulls;
    {
        const PoolGuard guard(context_);
        Group &group = find(options);
        pulls = group.pulls();
        if (context_.shuttingDown) {
            after.push_back([&] {
                callback(tl::make_unexpected(
                    GetFailure{GetFailure::Reason::SHUTTING_DOWN, "the application pool is shutting down", "", ""}));
            });
        } else if (!pulls) {
            group.get(options, std::move(callback), after);
        }
    }
    if (after.empty() && pulls) {
        callback(std::make_unique<QueueSession>(LocalSender::host(*this, options)));
    }
    run(after);
}

Attachment Pool::attach(const Options &options, Generation unusable) {
    const PoolGuard guard(context_);
    if (context_.shuttingDown) {
        throw IOException("the application pool is shutting down");
    }
    Group &group = find(options);
    if (!group.pulls()) {
        throw IOException(group.name() + " runs in memory: there is no line to its instances");
    }
    return group.attach(options, unusable);
}

// ----- Numbers

void Pool::configure(const PoolSettings &settings) {
    const PoolGuard guard(context_);
    context_.settings = settings;
    rescaleAll();
}

void Pool::setMax(unsigned max) {
    const PoolGuard guard(context_);
    context_.settings.maxSize = max;
    rescaleAll();
}

unsigned Pool::getActive() const {
    const PoolGuard guard(context_);
    unsigned sum = 0;
    for (const Group *group : bySlot_) {
        sum += group->active();
    }
    return sum;
}

unsigned Pool::getCount() const {
    const PoolGuard guard(context_);
    unsigned sum = 0;
    for (const Group *group : bySlot_) {
        sum += group->living();
    }
    return sum;
}

pid_t Pool::getSpawnServerPid() const {
    return context_.factory.spawnServerPid();
}

std::map<std::string, std::vector<pid_t>> Pool::instances() const {
    const PoolGuard guard(context_);
    std::map<std::string, std::vector<pid_t>> all;
    for (const Group *group : bySlot_) {
        all[group->name()] = group->pids();
    }
    return all;
}

/** Whether the group may start one more; an idle instance of another application goes for it if need be. */
bool Pool::makeRoom(Group &group) {
    unsigned others = 0;
    for (const Group *each : bySlot_) {
        others += each == &group ? each->serving() : each->size();
    }
    // More than one may have to go: the limit may have been lowered below what there is.
    for (; others >= context_.settings.maxSize; others--) {
        Group *victim = nullptr;
        MonotonicTime since;
        for (Group *each : bySlot_) {
            const std::optional<MonotonicTime> idle = each == &group ? std::nullopt : each->evictable();
            if (idle && (victim == nullptr || *idle < since)) {
                victim = each;
                since = *idle;
            }
        }
        if (victim == nullptr) {
            // Instances that pull tell nobody when they have become idle.
            roomTimer_.start(ROOM_INTERVAL);
            return false;
        }
        victim->evict();
    }
    return true;
}

void Pool::rescaleAll() {
    for (Group *group : bySlot_) {
        group->rescale();
    }
}

// ----- What comes from the loop and from sessions

void Pool::released(Group &group, Process &process) {
    AfterUnlock after;
    {
        const PoolGuard guard(context_);
        group.release(process, after);
    }
    run(after);
}

void Pool::processDied(Group &group, const ProcessPtr &process) {
    if (!process) {
        return;
    }
    const PoolGuard guard(context_);
    group.processDied(process);
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
        group->senderGone(childSlot);
        if (const auto gone = byGroup.find(group->slot()); gone != byGroup.end()) {
            group->channelsGone(gone->second);
        }
    }
}

void Pool::channelGone(ChannelId channel, std::uint32_t groupSlot) {
    const PoolGuard guard(context_);
    if (groupSlot < bySlot_.size()) {
        bySlot_[groupSlot]->channelsGone({channel});
    }
}

bool Pool::channelAdded(ChannelId channel, std::uint32_t groupSlot) {
    const PoolGuard guard(context_);
    if (groupSlot >= bySlot_.size() || !bySlot_[groupSlot]->pulls()) {
        return false;
    }
    bySlot_[groupSlot]->resetMark(channel);
    return true;
}

// ----- Looking after things

void Pool::rescale() {
    const PoolGuard guard(context_);
    rescaleAll();
}

void Pool::collectIdle() {
    const PoolGuard guard(context_);
    const MonotonicTime now = context_.clock.now();
    for (Group *group : bySlot_) {
        group->collectIdle(now);
    }
    rescaleAll();
}

void Pool::checkRestarts() {
    const LockGuard one(restartCheck_);
    std::vector<Group *> groups;
    {
        const PoolGuard guard(context_);
        groups = bySlot_;
    }
    std::vector<Group *> changed;
    std::vector<Group *> always;
    for (Group *group : groups) {
        if (group->restartFiles().changed()) {
            changed.push_back(group);
        } else if (group->restartFiles().always()) {
            always.push_back(group);
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

std::vector<std::string> Pool::restartFolders() const {
    const PoolGuard guard(context_);
    std::vector<std::string> folders;
    folders.reserve(bySlot_.size());
    for (Group *group : bySlot_) {
        folders.push_back(group->restartFiles().folder());
    }
    return folders;
}

void Pool::clear() {
    const PoolGuard guard(context_);
    for (Group *group : bySlot_) {
        group->clear();
    }
}

void Pool::shutDown() {
    AfterUnlock after;
    {
        const PoolGuard guard(context_);
        context_.shuttingDown = true;
        for (Group *group : bySlot_) {
            group->shutDown(after);
        }
    }
    run(after);
}

}  // namespace Passenger
