#include "pool/Group.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/Exceptions.h"
#include "exchange/QueueHost.h"
#include "io/RequestQueue.h"
#include "log/Log.h"
#include "pool/Pool.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

/** The interval at which a full pool is looked at for room: no instance tells that it is idle. */
constexpr milliseconds ROOM_LOOK{100};
/** The same for spare instances. */
constexpr milliseconds SPARE_ROOM_LOOK{1000};

}  // namespace

Group::Group(Pool &pool, PoolContext &context, Room &room, const Options &options, std::uint32_t slot)
    : pool_(pool),
      context_(context),
      room_(room),
      name_(options.groupName()),
      slot_(slot),
      options_(options),
      restartFiles_(options.appRoot, options.restartDir),
      queue_(slot, name_, context.channels, context.store),
      instances_(context, queue_),
      failures_(name_, context.reports),
      versions_(name_, context.threads, context.factory.create(options)),
      hangs_(name_, options_, queue_, instances_),
      preloader_(name_, options_, context.threads, pending_),
      demand_(options_, context.settings, queue_, instances_),
      spares_(options_, demand_, instances_, pending_) {}

// ----- Requests

/** Whether the application did not start lately, and it is too early to try again. */
bool Group::failsAtOnce(MonotonicTime now) const {
    return failures_.failure() && instances_.serving() == 0 && pending_.starting() == 0 && !failures_.mayTry(now);
}

Attachment Group::attach(const Options &options, Generation unusable) {
    const MonotonicTime now = context_.clock.now();
    if (failsAtOnce(now) || (!queue_.current() && failures_.wentDownWith(unusable))) {
        const GetFailure &failure = *failures_.failure();
        throw RefusedException(failure.status(), failure.reportId(), failure.summary);
    }
    options_ = options;
    const QueueGenerationPtr current = queue_.current();
    if (current && unusable == current->number && RequestQueue::closed(current->queue.sendingEnd().get())) {
        Log::error("event=queue.broken app=\"{}\" generation={}", name_, unusable.value());
        closeQueue();
        // The new queue is there at once, and requests wait in it. The delays of its instances
        // grow.
        failures_.backoff().queueBroke(now);
    }
    if (!queue_.current()) {
        queue_.makeCurrent(makeGeneration(), 0);
    }
    demand_.requested(now);
    rescale();
    Attachment attachment = queue_.attachment();
    if (options.stickySessions && options.stickyId != 0) {
        attachment.ownQueue = instances_.ownQueue(options.stickyId);
    }
    return attachment;
}

QueueGenerationPtr Group::makeGeneration() {
    context_.lastGeneration = Generation(context_.lastGeneration.value() + 1);
    return std::make_shared<QueueGeneration>(
        QueueGeneration{context_.lastGeneration, RequestQueue(options_.maxQueueSize)});
}

/** The application goes down: children ask again when they have a request. */
void Group::closeQueue() {
    queue_.close();
    demand_.queueClosed();
    retireAll();
}

/** A disabled instance keeps the queue: the end of the queue would end the instance. */
void Group::closeQueueIfUnused() {
    if (queue_.current() && pending_.none() && !versions_.deployment() && !instances_.anyStays() &&
        queue_.inFlight() == 0 && !demand_.expectsRequest()) {
        closeQueue();
    }
}

/** Tells the children which generation to use, and how many requests it can run at once. */
void Group::publish() {
    queue_.publish(instances_.capacity());
}

// ----- How many instances

bool Group::atLimit() const {
    const unsigned limit = demand_.maxInstances();
    return limit > 0 && size() >= limit;
}

bool Group::replacing() const {
    const Versions::Deployment *deployment = versions_.deployment();
    return pending_.standby() || instances_.find(pending_.beingReplaced()) ||
           (deployment && deployment->started && !instances_.empty()) || instances_.anyReplaced();
}

void Group::rescale() {
    if (shutDown_ || context_.shuttingDown) {
        return;
    }
    const MonotonicTime now = context_.clock.now();
    room_.withdrawReplacement(*this);
    if (versions_.deployment() && !versions_.deployment()->started) {
        deploy();
    }
    replaceOne(now);
    grow(now);
    startSpares(now);
    preloader_.restIfDue(versions_.spawner(), now);
    plan(now);
}

/** Starts the successor of an instance that is due for replacement, one at a time. */
void Group::replaceOne(MonotonicTime now) {
    if (pending_.beingReplaced() || versions_.deployment() || pending_.standby() || !failures_.mayTry(now)) {
        return;
    }
    if (const ProcessPtr process = instances_.dueForReplacement()) {
        SpawnTask task = growTask();
        task.purpose = SpawnTask::Purpose::REPLACE;
        task.replaces = process->id();
        if (room_.admitReplacement(*this)) {
            startSpawn(task);
        }
    }
}

void Group::grow(MonotonicTime now) {
    ScalingSnapshot snapshot = demand_.look(now);
    snapshot.starting = pending_.starting();
    if (snapshot.waiting > 0) {
        snapshot.idleCores = context_.cpu.idleCores();
    }
    snapshot.cores = context_.cpu.cores();
    const unsigned others = size() - snapshot.serving - snapshot.starting;
    const bool oneApart = replacing() && snapshot.maxInstances > 1;
    snapshot.others = others - (oneApart && others > 0 ? 1 : 0);
    // While a new version is on its way, another instance of the old one would end soon. Some
    // spawners would even make one of the new version.
    const bool hold = pending_.standby() || versions_.deployment() || !failures_.mayTry(now);
    unsigned missing = hold ? 0 : failures_.limit(instancesToStart(snapshot), pending_.starting());
    try {
        while (missing > 0 && room_.admit(*this, now)) {
            if (!queue_.current()) {
                // It was closed when the application did not start, and no child has asked since.
                queue_.makeCurrent(makeGeneration(), 0);
            }
            if (!startSpawn(growTask())) {
                break;
            }
            missing--;
        }
    } catch (const std::exception &error) {
        // No descriptors for a queue; the next date tries again.
        Log::error("event=spawn.not_started app=\"{}\" error=\"{}\"", name_, error.what());
    }
    if (missing == 0) {
        room_.satisfied(*this);
        if (!demand_.exceedsCapacity()) {
            // plan() looks once more: a child may just have found that it is wanted already.
            queue_.senders().clearWanted();
        }
    }
}

/** Only in room that no other application wants. */
void Group::startSpares(MonotonicTime now) {
    if (pending_.standby() || versions_.deployment() || !failures_.mayTry(now)) {
        return;
    }
    const unsigned atOnce = std::max(context_.cpu.cores(), 2U);
    for (unsigned missing = failures_.limit(spares_.missing(now), pending_.starting()); missing > 0; missing--) {
        if (pending_.starting() >= atOnce || atLimit() || !room_.isFreeForSpares() || !startSpawn(growTask())) {
            return;
        }
    }
}

/** Sets the date at which the Group is looked at again. */
void Group::plan(MonotonicTime now) {
    std::optional<MonotonicTime> date;
    const auto at = [&](std::optional<MonotonicTime> time) {
        date = date && time ? std::min(*date, *time) : date ? date : time;
    };
    const bool requestsWait = demand_.requestsWait();
    const bool somethingToDo =
        requestsWait || demand_.isBelowMinimum() || versions_.deployment() || instances_.anyDueForReplacement();
    if (somethingToDo && !failures_.mayTry(now)) {
        at(failures_.notBefore());
    } else if (requestsWait && !pending_.standby() && !versions_.deployment()) {
        at(now + (room_.hasWish(*this) ? ROOM_LOOK : demand_.lookInterval()));
    } else if (requestsWait || room_.hasWish(*this)) {
        at(now + SPARE_ROOM_LOOK);
    }
    if (!instances_.empty() || queue_.current()) {
        at(demand_.nextIdleCheck(now));
    }
    if (isMeasured()) {
        at(pool_.nextMemoryCheck());
    }
    at(spares_.nextCheck(now));
    at(preloader_.restDate());
    at(hangs_.next());
    pool_.setDate(*this, date);
}

void Group::attend(MonotonicTime now) {
    activateStandby();
    for (const ProcessPtr &process : hangs_.overdue(now)) {
        endHung(process, options_.maxRequestTime);
    }
    hangs_.killHung(now);
    endIdle(spares_.surplus(now), First::OLDEST, "instance.spare",
            " reason=\"more than PassengerMaxSpareInstances are free\"");
    if (const std::optional<unsigned> surplus = demand_.idleSurplus(now)) {
        hangs_.killSlowDrains(now);
        // The youngest have the least of what an application warms up.
        endIdle(spares_.withoutSpares(*surplus, now), First::YOUNGEST, "instance.idle", "");
        closeQueueIfUnused();
    }
    rescale();
}

/** Ends so many idle instances. */
void Group::endIdle(unsigned surplus, First first, const char *event, const char *reason) {
    if (surplus == 0) {
        return;
    }
    std::vector<ProcessPtr> idle = instances_.idle();
    if (first == First::YOUNGEST) {
        std::reverse(idle.begin(), idle.end());
    }
    idle.resize(std::min<std::size_t>(surplus, idle.size()));
    for (const ProcessPtr &process : idle) {
        Log::info("event={} app=\"{}\" pid={}{}", event, name_, process->pid(), reason);
        counters_.idled++;
        demand_.forgetRestore();
        retire(process);
    }
}

/** There may be more room, or a start is over: this Group and others may start an instance. */
void Group::roomCame() {
    rescale();
    room_.mayHaveCome();
}

void Group::evict() {
    const ProcessPtr process = instances_.leastNeeded();
    Log::info("event=instance.evicted app=\"{}\" pid={}", name_, process->pid());
    counters_.evicted++;
    demand_.forgetRestore();
    if (instances_.serving() <= options_.minInstances) {
        demand_.clear();
    }
    retire(process);
    closeQueueIfUnused();
    const MonotonicTime now = context_.clock.now();
    demand_.evicted(now);
    plan(now);
}

// ----- Orders

void Group::restart() {
    Log::notice("event=app.restart app=\"{}\"", name_);
    counters_.restarts++;
    failures_.forget();
    dropStandby();
    queue_.takePeak();
    const bool serves = instances_.serving() > 0;
    demand_.restore();
    SpawnerPointer spawner = context_.factory.create(options_);
    if (serves && options_.rollingRestarts) {
        versions_.deploy(std::move(spawner), makeGeneration());
    } else {
        versions_.replace(std::move(spawner));
        if (serves) {
            queue_.makeCurrent(makeGeneration(), 0);
        }
        retireOlderThan(versions_.current());
    }
    rescale();
}

bool Group::mayAlwaysRestart() const {
    if (!pending_.none() || versions_.deployment() || instances_.empty()) {
        return false;
    }
    const Process &newest = *instances_.all().back();
    return newest.version() == versions_.current() &&
           (demand_.lastBusy() > newest.since() || queue_.senders().peak() > 0);
}

void Group::detach(const ProcessPtr &process) {
    if (!process->stays()) {
        return;
    }
    Log::notice("event=instance.detached app=\"{}\" pid={}", name_, process->pid());
    if (process->state == Process::State::SERVING) {
        demand_.restore();
    }
    retire(process);
    roomCame();
}

bool Group::disable(const ProcessPtr &process) {
    if (process->state != Process::State::SERVING) {
        return process->state == Process::State::DISABLED;
    }
    if (instances_.serving() == 1 && (atLimit() || !room_.isFree())) {
        return false;
    }
    Log::notice("event=instance.disabled app=\"{}\" pid={}", name_, process->pid());
    demand_.restore();
    process->state = Process::State::DISABLED;
    process->pause();
    publish();
    if (process->closeOwnQueue()) {
        queue_.recheckWaiting();
    }
    rescale();
    return true;
}

void Group::enable(const ProcessPtr &process) {
    if (process->state != Process::State::DISABLED) {
        return;
    }
    Log::notice("event=instance.enabled app=\"{}\" pid={}", name_, process->pid());
    process->resume();
    process->state = Process::State::SERVING;
    publish();
    activateStandby();
    rescale();
}

void Group::clear() {
    demand_.clear();
    const bool oneMore = startingReplacement();
    if (versions_.deployment()) {
        // There is no old version left to keep.
        versions_.adopt();
    }
    dropStandby();
    if (queue_.current()) {
        closeQueue();
    }
    retireAll();
    if (oneMore) {
        // The instance that is being started was admitted above the limit for one of these. As long
        // as they live, no other may be.
        for (const ProcessPtr &process : instances_.all()) {
            process->replaced = true;
        }
    }
    rescale();
}

void Group::shutDown(bool refuseQueued) {
    shutDown_ = true;
    versions_.shutDown();
    beginnings_.cancel();
    if (refuseQueued) {
        queue_.refuseWaiting({GetFailure::Reason::SHUTTING_DOWN, "the application pool is shutting down"});
    }
    clear();
    pool_.setDate(*this, std::nullopt);
}

// ----- Frames and channels

void Group::processSent(Process &process, const Frame &frame) {
    switch (frame.type) {
        case FrameType::LIMIT_REACHED:
            requestReplacement(process, "it has run as many requests as PassengerMaxRequests allows");
            return;
        case FrameType::HEARTBEAT:
            hangs_.noteHeartbeat(process.id(), context_.clock.now());
            return;
        case FrameType::WARM:
            warmed(process);
            return;
        case FrameType::PAUSE:
            // The instance may have dropped a request that it took in that moment.
            queue_.recheckWaiting();
            return;
        default:
            break;
    }
    const ChannelId channel(frame.number(0));
    bool given = false;
    const bool known =
        context_.channels.lend(channel, slot_, [&](int end) { given = process.giveChannel(channel, end); });
    if (!given) {
        Frame answer(FrameType::NO_CHANNEL);
        answer.add(channel.value());
        process.send(answer);
    }
    if (known && !given) {
        // The instance drops the request.
        queue_.recheckWaiting();
    }
}

void Group::channelsGone(const std::vector<ChannelId> &channels) {
    if (channels.empty()) {
        return;
    }
    for (const ChannelId channel : channels) {
        queue_.senders().withdrawAll(channel);
    }
    if (hangs_.noteOrphans(channels, context_.clock.now())) {
        rescale();
    }
    for (const ProcessPtr &process : instances_.all()) {
        process->dropChannels(channels);
    }
}

// ----- Inspection

GroupState Group::state(MonotonicTime now) const {
    if (shutDown_) {
        return GroupState::SHUT_DOWN;
    }
    if (versions_.deployment()) {
        return GroupState::DEPLOYING;
    }
    if (instances_.serving() > 0) {
        return versions_.failure() ? GroupState::DEPLOY_FAILED : GroupState::SERVING;
    }
    if (!pending_.none()) {
        return GroupState::STARTING;
    }
    return failsAtOnce(now) ? GroupState::FAILED : GroupState::DOWN;
}

GroupSnapshot Group::inspect(MonotonicTime now) const {
    GroupSnapshot snapshot;
    snapshot.name = name_;
    snapshot.appRoot = options_.appRoot;
    snapshot.environment = options_.environment;
    snapshot.state = state(now);
    snapshot.version = versions_.current();
    snapshot.starting = pending_.starting();
    snapshot.heartbeats = hangs_.heartbeats();
    snapshot.minInstances = options_.minInstances;
    snapshot.maxInstances = demand_.maxInstances();
    snapshot.minSpareInstances = options_.minSpareInstances;
    snapshot.maxSpareInstances = options_.maxSpareInstances;
    snapshot.counters = counters_;
    snapshot.failure = snapshot.state == GroupState::DEPLOY_FAILED ? versions_.failure()
                       : snapshot.state == GroupState::FAILED      ? failures_.failure()
                                                                   : std::nullopt;
    snapshot.spawnFallback = spawnFallback_;
    snapshot.lastFailure = failures_.last(now);
    snapshot.queue.limit = options_.maxQueueSize;
    snapshot.queue.oldest = demand_.waitingSince() ? now - *demand_.waitingSince() : std::chrono::nanoseconds(0);
    const unsigned inFlight = queue_.inFlight();
    const unsigned taken = inFlight > 0 ? queue_.claims().taken() : 0;
    snapshot.queue.waiting = inFlight > taken ? inFlight - taken : 0;
    const GroupStatistics statistics = queue_.statistics();
    snapshot.counters.requests = statistics.completed;
    snapshot.counters.refused = statistics.refused;
    snapshot.counters.timedOut = statistics.timedOut;
    snapshot.counters.clientsLeft = statistics.left;
    snapshot.serviceTime = statistics.serviceTime;
    snapshot.queueTime = statistics.queueTime;
    snapshot.processes = instances_.inspect(now);
    if (pending_.standby()) {
        snapshot.processes.push_back(instances_.inspect(*pending_.standby()->process, now));
    }
    return snapshot;
}

}  // namespace Passenger
