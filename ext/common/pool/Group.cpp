#include "pool/Group.h"

#include <cstdint>
#include <functional>
#include <optional>

#include "base/Exceptions.h"
#include "io/RequestQueue.h"
#include "log/Log.h"

namespace Passenger {

Group::Group(PoolContext &context, Room &room, UpkeepTimer &timer, const Options &options, std::uint32_t slot)
    : context_(context),
      room_(room),
      name_(options.groupName()),
      slot_(slot),
      bornAfter_(context.lastGeneration),
      madeAt_(context.clock.now()),
      options_(options),
      restartFiles_(options.appRoot, options.restartDir, context.orphans.restartFile(name_, options.rollingRestarts)),
      queue_(slot, name_, context.channels, context.store),
      loans_(context.channels, slot, queue_),
      instances_(context.store, context.clock, context.cpu, queue_, std::bind_front(&PoolContext::bury, &context)),
      pause_(context.pauses, context.clock, queue_, instances_),
      spawns_(counters_),
      reports_(name_, context.reports),
      versions_(name_, context.threads, context.factory.create(options)),
      demand_(options_, context.settings, context.pauses, queue_, instances_),
      preloader_(
          {name_, options_, context, spawns_, instances_, versions_, counters_},
          {[this](Process &process, const std::string &why) REQUIRES(poolLock) { scaler_.replace(process, why); },
           [this]() REQUIRES(poolLock) { rescale(); }}),
      succession_({name_, options_, context, queue_, instances_, pause_, spawns_, reports_, versions_, demand_,
                   preloader_, counters_}),
      hangs_(name_, options_, queue_, instances_),
      slow_(name_, queue_, instances_),
      disuse_({context.settings, context.channels, queue_, instances_, spawns_, versions_, preloader_},
              context.clock.now()),
      starter_({name_, options_, context, queue_, instances_, pause_, spawns_, versions_, succession_, preloader_},
               *this),
      scaler_({name_, options_, context, room, queue_, instances_, spawns_, versions_, demand_, succession_, hangs_,
               preloader_, starter_, counters_},
              [this, &timer](std::optional<MonotonicTime> date) REQUIRES(poolLock) {
                  const MonotonicTime now = context_.clock.now();
                  timer.set(*this, shutDown_
                                       ? date
                                       : earlier(date, earlier(disuse_.nextLook(now), succession_.nextLook(now))));
              }) {
    if (context.orphans.deployFailed(name_)) {
        succession_.assumeFailed();
    }
    // Last: the Room must not know a group whose constructor throws.
    room.add(scaler_);
}

// ----- Requests

Attachment Group::attach(const Options &options, Generation unusable) {
    const MonotonicTime now = context_.clock.now();
    takeOptions(options);
    const bool fails = instances_.serving() == 0 && spawns_.failsAtOnce(now);
    if (fails || (!queue_.current() && spawns_.wentDownWith(unusable))) {
        spawns_.refuse();
    }
    disuse_.noteUse(now, options.removed);
    const QueueGenerationPtr current = queue_.current();
    if (current && unusable == current->number && RequestQueue::closed(current->queue.sendingEnd().get())) {
        Log::error("event=queue.broken app=\"{}\" generation={}", name_, unusable.value());
        scaler_.closeQueue();
        // The new queue is there at once, and requests wait in it. The delays of its instances
        // grow.
        spawns_.queueBroke(now);
    }
    ask(now);
    if (!queue_.current()) {
        spawns_.refuse();
    }
    Attachment attachment = queue_.attachment();
    if (const QueueChoice choice = options.queueChoice(); !choice.isCommon()) {
        attachment.ownQueue = options.stickySessions ? instances_.ownQueue(choice.number()) : queue_.prioritySending();
    }
    return attachment;
}

// ----- How many instances

void Group::doWhatIsDue(MonotonicTime now) {
    pause_.endIfDue(now);
    succession_.activateStandby();
    for (const ProcessPtr &process : hangs_.overdue(now)) {
        endHung(process, hangs_.limit());
    }
    hangs_.killHung(now);
    for (const ProcessPtr &process : hangs_.silent(now)) {
        process->noteSilence();
        replaceNow(process);
        process->kill();
    }
    scaler_.endUnneeded(now);
    succession_.look(now);
    spawns_.answered(demand_.lastProgress());
    rescale();
}

// ----- Orders

void Group::restart(const std::string &reason) {
    succession_.restart(reason);
    versionBegan();
}

void Group::versionBegan() {
    room_.memory().versionChanged(scaler_);
    rescale();
}

void Group::detach(const ProcessPtr &process) {
    if (!process->stays()) {
        return;
    }
    Log::notice("event=instance.detached app=\"{}\" pid={}", name_, process->pid());
    if (process->state() == Process::State::SERVING) {
        demand_.restore();
    }
    instances_.retire(process);
    roomCame();
}

void Group::clear() {
    context_.orphans.end(name_);
    demand_.clear();
    const bool oneMore = succession_.startingReplacement();
    if (versions_.deployment()) {
        // There is no old version left to keep.
        versions_.adopt();
    }
    scaler_.closeQueue();
    instances_.retireAll();
    if (oneMore) {
        // The start was admitted above the limit for one of these. While they live, none may be.
        for (const ProcessPtr &process : instances_.all()) {
            process->lifecycle().noteSuccessor();
        }
    }
    rescale();
}

void Group::shutDown(bool refuseQueued) {
    shutDown_ = true;
    versions_.shutDown();
    starter_.cancel();
    if (refuseQueued) {
        queue_.refuseWaiting({GetFailure::Reason::SHUTTING_DOWN, "the application pool is shutting down"});
    }
    clear();
    scaler_.stop();
}

// ----- Starts

std::string Group::prepare() {
    bool seen = false;
    try {
        seen = beginRestarts();
    } catch (const std::exception &) {
        // No reason not to start. RestartCheck looks again, and logs failures.
    }
    if (!seen) {
        restartFiles_.beginUnseen();
    }
    return restartFiles_.seen();
}

/** The present options, also for a start that is with earlier ones: requests may have changed the
 *  folder and the user meanwhile. */
bool Group::beginRestarts() {
    Options options;
    std::uint64_t change = 0;
    {
        const PoolGuard guard(context_);
        options = options_;
        change = restartFiles_.lastChange();
    }
    RunAs user;
    try {
        user = context_.factory.ownerOf(options);
    } catch (const std::exception &) {
        // Spawns fail for the same reason, and log it.
        return false;
    }
    restartFiles_.begin(user, change);
    return true;
}

void Group::joined(const SpawnTask &task, const ProcessPtr &process, bool wanted) {
    const MonotonicTime now = context_.clock.now();
    const bool grows = task.purpose == SpawnTask::Purpose::GROW;
    spawns_.joined(process->former() ? std::nullopt : std::optional(process->spawnTime()), wanted);
    if (wanted && versions_.deploys(task)) {
        demand_.restore();  // The old version may have grown since the restart.
    }
    if (versions_.failure() && process->version() == versions_.current()) {
        process->noteFailedDeployment(restartFiles_.seen());
    }
    instances_.add(process);
    room_.memory().joined(scaler_, now);
    pause_.apply(*process);
    hangs_.add(*process, task.options, now);
    demand_.joined(now, wanted, grows);
    Log::notice("event={} app=\"{}\" pid={} ms={}", process->former() ? "instance.adopted" : "instance.started", name_,
                process->pid(), std::chrono::duration_cast<std::chrono::milliseconds>(now - task.begunAt).count());
    if (wanted) {
        if (grows) {
            scaler_.grown(now);
        }
        succession_.takeOver(task);
        succession_.activateStandby();
        if (process->state() == Process::State::SERVING) {
            demand_.adjustRestore();
        }
        instances_.publish();
        preloader_.replaceIfCold(*process);
    } else {
        instances_.retire(process);
    }
    if (process->version() == versions_.current()) {
        preloader_.joined(*process, task.options);
        demand_.loaded(process->parts().isAsgi);
    }
    roomCame();
}

void Group::failed(const SpawnTask &task, GetFailure failure) {
    const MonotonicTime now = context_.clock.now();
    // Requests before this moment have asked for this start.
    demand_.notePeak(now);
    spawns_.failed(now, options_.environment != "development");
    reports_.report("spawn.failed", failure, now);
    const bool oldVersionStays = succession_.attemptFailed(task, failure, restartFiles_.seen());
    if (!versions_.deployment()) {
        demand_.forgetRestore();
        // Requests may wait for the old version's next start: if that fails, too, they are refused.
        if (!oldVersionStays && !succession_.servesSoon() && spawns_.none()) {
            goDown(failure);
        }
    }
    roomCame();
}

/** No instance serves or is on its way. Requests are refused until the next attempt. */
void Group::goDown(const GetFailure &failure) {
    // Refused first: the end of the queue would only make the children ask again.
    queue_.refuseWaiting(failure);
    spawns_.wentDown(failure, queue_.current() ? queue_.current()->number : Generation());
    scaler_.closeQueue();
}

// ----- Ends of instances

void Group::died(const ProcessPtr &process) {
    if (process->state() == Process::State::DEAD) {
        return;
    }
    const MonotonicTime now = context_.clock.now();
    const bool unexpected = process->endIsDeath() && !shutDown_;
    process->logExit(context_.threads, name_);
    if (unexpected) {
        demand_.readStatistics(now);
        spawns_.died(queue_.repeatable(process->socket().cells), now, process->since(), demand_.lastProgress());
        if (process->state() == Process::State::SERVING) {
            demand_.restore();
        }
    }
    instances_.remove(process);
    hangs_.remove(process->id());
    if (shutDown_) {
        return;
    }
    instances_.publish();
    succession_.activateStandby();
    rescale();
    scaler_.closeQueueIfUnused();
    room_.mayHaveCome();
    if (unexpected) {
        reportEarlyDeath(*process, now);
    }
}

/** Reports a series of early deaths unless another start is due soon. If no instance serves,
 *  refuses the waiting requests. */
void Group::reportEarlyDeath(Process &process, MonotonicTime now) {
    if (succession_.standsBy() || !spawns_.givesUpForNow(now, demand_.waitingSince().has_value())) {
        return;
    }
    GetFailure failure = reports_.describe(process);
    reports_.report("app.unstable", failure, now);
    if (instances_.serving() == 0) {
        goDown(failure);
    }
}

bool Group::requestOverran(ChannelId channel, Ticket ticket, std::chrono::milliseconds time) {
    const ProcessPtr process = instances_.holder(channel, ticket);
    if (process) {
        endHung(process, time);
    }
    return process != nullptr;
}

/** The instance takes no more requests, prints backtraces, and is killed a moment later. */
void Group::endHung(const ProcessPtr &process, std::chrono::milliseconds limit) {
    if (!hangs_.noteHang(*process, limit, context_.clock.now())) {
        return;
    }
    counters_.replaced += process->stays() ? 1 : 0;
    replaceNow(process);
    process->backtraces().logHung(options_);
}

/** Retires the instance and lets its successor start at once. The caller may kill the instance, but
 *  a process that waits for a file system outlives SIGKILL. */
void Group::replaceNow(const ProcessPtr &process) {
    if (process->stays()) {
        demand_.restore();
        instances_.retire(process);
    }
    roomCame();
}

// ----- Frames and channels

void Group::sent(Process &process, const Frame &frame) {
    switch (frame.type) {
        case FrameType::LIMIT_REACHED:
            requestReplacement(process, "it has run as many requests as PassengerMaxRequests allows");
            return;
        case FrameType::HEARTBEAT: hangs_.noteHeartbeat(process.id(), context_.clock.now()); return;
        case FrameType::WARM: preloader_.warm(process); return;
        case FrameType::THREADS: process.backtraces().answered(frame.field(0)); return;
        case FrameType::PAUSE:
            if (process.pause().answered(frame.number(0) != 0)) {
                if (process.state() != Process::State::STANDBY) {
                    // The instance may have dropped a request that it took in that moment.
                    queue_.recheckWaiting();
                }
                succession_.activateStandby();
            }
            return;
        case FrameType::NO_CHANNEL: lostChannel(process, ChannelId(frame.number(0))); return;
        case FrameType::FETCH: loans_.lend(process, ChannelId(frame.number(0))); return;
        // InstanceLink lets no other frame pass.
        default: return;
    }
}

/** An instance at its limit of open files drops each request whose channel it does not have. It is
 *  idle then, so the kernel gives it the same request again. If other instances serve, this
 *  instance takes no further request. */
void Group::lostChannel(Process &process, ChannelId channel) {
    constexpr const char *WHY = "its limit of open files is reached";
    const ProcessPtr instance = instances_.find(process.id());
    if (!loans_.lost(process, channel, context_.clock.now()) || !instance) {
        return;
    }
    if (instances_.serving() > 1 && process.state() == Process::State::SERVING) {
        Log::info("event=instance.worn app=\"{}\" pid={} reason=\"{}\"", name_, process.pid(), WHY);
        counters_.replaced++;
        replaceNow(instance);
    } else {
        requestReplacement(process, WHY);
    }
}

void Group::channelsGone(const std::vector<ChannelId> &channels) {
    if (channels.empty()) {
        return;
    }
    for (const ChannelId channel : channels) {
        queue_.senders().withdrawAll(channel);
    }
    if (queue_.abandoned().note(channels, context_.clock.now())) {
        rescale();
    }
    for (const ProcessPtr &process : instances_.all()) {
        process->link().dropChannels(channels);
    }
}

// ----- Inspection

GroupState Group::state(MonotonicTime now) const {
    if (shutDown_) {
        return GroupState::SHUT_DOWN;
    }
    if (versions_.deployment()) {
        return room_.waitsForTurn(scaler_) ? GroupState::DEPLOY_WAITS : GroupState::DEPLOYING;
    }
    const bool paused = pause_.until().has_value();
    if (instances_.serving() > 0) {
        return versions_.failure() ? GroupState::DEPLOY_FAILED : paused ? GroupState::PAUSED : GroupState::SERVING;
    }
    if (!spawns_.none() || succession_.standsBy()) {
        return GroupState::STARTING;
    }
    return spawns_.failsAtOnce(now) ? GroupState::FAILED : paused ? GroupState::PAUSED : GroupState::DOWN;
}

GroupSnapshot Group::inspect(MonotonicTime now) const {
    GroupSnapshot snapshot;
    snapshot.name = name_;
    addOptions(snapshot, options_);
    snapshot.state = nameOf(state(now));
    snapshot.madeAt = madeAt_;
    snapshot.crashLooping = spawns_.crashLooping();
    snapshot.failing = isFailing();
    snapshot.version = versions_.current();
    snapshot.starting = spawns_.starting();
    snapshot.maxInstances = demand_.maxInstances();
    snapshot.memoryShare = room_.memory().shareOf(scaler_);
    snapshot.counters = {counters_};
    snapshot.failure = reports_.last(now);
    snapshot.queue.pausedFor = pause_.until() ? inSeconds(*pause_.until() - now) : 0;
    snapshot.queue.waiting = queue_.untaken();
    // A child has not yet read the end of an answer whose instance is free again. As long as there
    // are free threads, only requests that came after the last answer wait for sure: for an
    // instance that hangs.
    if (snapshot.queue.waiting > 0) {
        const bool allWait = snapshot.queue.waiting > (pause_.until() ? 0 : instances_.freeThreads());
        const auto oldest = queue_.oldestUntaken(allWait);
        snapshot.queue.oldest = oldest ? inSeconds(now - *oldest) : 0;
    }
    addStatistics(snapshot, queue_.statistics());
    snapshot.lastSpawnTime = inSeconds(spawns_.lastTime());
    snapshot.lastRestart = succession_.lastRestart(now);
    snapshot.processes = instances_.inspect(now);
    return snapshot;
}

}  // namespace Passenger
