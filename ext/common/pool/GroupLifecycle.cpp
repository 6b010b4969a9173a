// The life of the Group's instances: from the order for one to its end.

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "log/Log.h"
#include "pool/Group.h"
#include "pool/Pool.h"

namespace Passenger {

namespace {

/** If no attempt is allowed within this time, requests do not wait for the next one. */
constexpr std::chrono::seconds PATIENCE_WITH_DEATHS{2};

constexpr std::uint64_t MEGABYTE = 1024 * 1024;

}  // namespace

// ----- Starts

SpawnTask Group::growTask() const {
    return SpawnTask{SpawnTask::Purpose::GROW,
                     versions_.current(),
                     versions_.spawner(),
                     options_,
                     InstanceId(),
                     context_.clock.now(),
                     false};
}

/** False: no thread can be started. The next request tries again. */
bool Group::startSpawn(const SpawnTask &task) {
    try {
        // The thread needs the lock first.
        context_.threads.run("spawn", [this, task] { runSpawn(task); });
    } catch (const std::exception &error) {
        Log::error("event=spawn.not_started app=\"{}\" error=\"{}\"", name_, error.what());
        return false;
    }
    pending_.begun(task);
    context_.cpu.claim();
    return true;
}

/** Starts the first instance of the new version, if there may be one more. */
void Group::deploy() {
    if (instances_.serving() > 0) {
        SpawnTask task = growTask();
        task.purpose = SpawnTask::Purpose::DEPLOY;
        task.version = versions_.deployment()->version;
        task.spawner = versions_.deployment()->spawner;
        versions_.setStarted(!pending_.standby() && room_.admitReplacement(*this) && startSpawn(task));
    } else if (pending_.none()) {
        // Nothing serves or is about to: the new version starts like any first instance.
        versions_.adopt();
        retireOlderThan(versions_.current());
    }
}

/** In a background thread. */
void Group::runSpawn(const SpawnTask &task) {
    attempt(task, [&] {
        if (!beginRestarts(task.options)) {
            // A file that is seen once the rights are known asks for another try.
            restartFiles_.beginUnseen();
        }
        SpawnResult result = task.spawner->spawn(task.options);
        InstanceId id;
        {
            const PoolGuard guard(context_);
            id = context_.lastInstance = InstanceId(context_.lastInstance.value() + 1);
        }
        started(task, std::make_shared<Process>(std::move(result), id, task.version, context_.clock.now()));
    });
}

bool Group::beginRestarts(const Options &options) {
    std::optional<FileRights> rights;
    try {
        rights = context_.factory.rightsFor(options);
    } catch (const std::exception &) {
        // Spawns fail for the same reason, and log it.
        return false;
    }
    restartFiles_.begin(rights);
    return true;
}

/** Does a part of the task. An exception is the task's failure. */
void Group::attempt(const SpawnTask &task, const std::function<void()> &work) {
    GetFailure failure{GetFailure::Reason::SPAWN_FAILED, ""};
    try {
        work();
        return;
    } catch (const std::exception &error) {
        failure = StartFailures::describe(error);
    }
    const PoolGuard guard(context_);
    spawnFailed(task, failure);
}

/** Whether the task's instance is still of use. */
bool Group::wanted(const SpawnTask &task) const {
    if (shutDown_ || context_.shuttingDown) {
        return false;
    }
    return versions_.deploys(task) || (task.version == versions_.current() && queue_.current());
}

/** In a background thread. */
void Group::started(const SpawnTask &task, const ProcessPtr &process) {
    process->socket.concurrency = task.options.threads;
    {
        const PoolGuard guard(context_);
        if (!wanted(task)) {
            // Its version is over, or the application went down.
            concluded(task);
            instances_.discard(process);
            roomCame();
            return;
        }
        if (mustStandBy(task)) {
            concluded(task);
            pending_.standBy(process, task);
            takeOver(task);
            activateStandby();
            return;
        }
    }
    putToWork(task, process);
}

void Group::concluded(const SpawnTask &task) {
    pending_.concluded(task);
    preloader_.spawnEnded(context_.clock.now());
}

/** In a background thread: gives the instance its queue, and takes it into service. The
 *  application's own hooks run meanwhile. */
void Group::putToWork(const SpawnTask &task, const ProcessPtr &process) {
    QueueHandover handover;
    {
        const PoolGuard guard(context_);
        // The current queue may be another one than when the instance was ordered.
        const QueueGenerationPtr queue = versions_.deploys(task) ? versions_.deployment()->queue : queue_.current();
        if (!queue) {
            throw SpawnException(name_ + " went down meanwhile");
        }
        handover = queue_.handOver(queue, task.options.threads);
    }
    try {
        process->beginToServe(handover, name_, task.options, beginnings_);
    } catch (...) {
        const PoolGuard guard(context_);
        // The instance may have taken a request already.
        queue_.giveUp(handover.cells);
        throw;
    }
    {
        const PoolGuard guard(context_);
        join(task, process);
    }
    watch(process);
}

void Group::join(const SpawnTask &task, const ProcessPtr &process) {
    const MonotonicTime now = context_.clock.now();
    const bool stays = wanted(task);
    const bool grows = task.purpose == SpawnTask::Purpose::GROW;
    concluded(task);
    counters_.spawned++;
    instances_.add(process);
    hangs_.add(process->id(), task.options, now);
    demand_.joined(now, stays, grows);
    spawnFallback_ = process->parts().fallback;
    Log::notice("event=instance.started app=\"{}\" pid={} ms={}", name_, process->pid(),
                std::chrono::duration_cast<std::chrono::milliseconds>(now - task.begunAt).count());
    if (stays) {
        failures_.succeeded();
        if (grows) {
            spares_.restart(now);
        }
        takeOver(task);
        demand_.adjustRestore();
        publish();
        activateStandby();
        replaceIfCold(*process);
    } else {
        retire(process);
    }
    roomCame();
}

/** Not before the instance has joined: the callbacks take the lock and need a complete state. */
void Group::watch(const ProcessPtr &process) {
    try {
        process->watch(
            context_.loop,
            [this, process = std::weak_ptr<Process>(process)] { pool_.processDied(*this, process.lock()); },
            [this, raw = process.get()](const Frame &frame) { pool_.processSent(*this, *raw, frame); });
    } catch (const std::exception &error) {
        // Nothing would notice its end.
        Log::error("event=instance.unwatched app=\"{}\" pid={} error=\"{}\" action=kill", name_, process->pid(),
                   error.what());
        process->kill();
        pool_.processDied(*this, process);
    }
}

// ----- Failures

void Group::spawnFailed(const SpawnTask &task, GetFailure failure) {
    concluded(task);
    const bool deploys = versions_.deploys(task);
    if (shutDown_ || (task.version != versions_.current() && !deploys)) {
        // It was cancelled.
        roomCame();
        return;
    }
    if (tryAgain(task, failure)) {
        return;
    }
    if (task.secondAttempt) {
        failure.summary += ", and this was the second attempt";
    }
    counters_.spawnsFailed++;
    const MonotonicTime now = context_.clock.now();
    failures_.backoff().spawnFailed(now);
    failures_.report("spawn.failed", failure, now);
    if (deploys) {
        counters_.deploysFailed++;
        versions_.fail(failure);
    }
    if (!versions_.deployment()) {
        demand_.forgetRestore();
        if (instances_.serving() == 0 && pending_.starting() == 0) {
            goDown(failure);
        }
    }
    roomCame();
}

/** A process that a signal has ended may be sound; somebody may have killed it or a process that it
 *  needed. It is started once more, at once, and no request is refused for it. */
bool Group::tryAgain(const SpawnTask &task, const GetFailure &failure) {
    if (task.secondAttempt || !failure.report || failure.report->signal == 0) {
        return false;
    }
    Log::warn("event=spawn.killed app=\"{}\" signal={} error=\"{}\" action=\"one more attempt\"", name_,
              failure.report->signal, failure.summary);
    SpawnTask again = task;
    again.secondAttempt = true;
    return startSpawn(again);
}

// ----- Successors

/** The task's instance is ready, or stands by: the instances that it replaces end. */
void Group::takeOver(const SpawnTask &task) {
    if (task.purpose == SpawnTask::Purpose::DEPLOY && versions_.deploys(task)) {
        queue_.makeCurrent(versions_.adopt(), 0);
        retireOlderThan(versions_.current());
    } else if (task.purpose == SpawnTask::Purpose::REPLACE) {
        const ProcessPtr outgoing = instances_.find(task.replaces);
        if (!outgoing) {
            return;
        }
        outgoing->replaced = true;
        if (outgoing->stays()) {
            counters_.replaced++;
            retire(outgoing);
        }
    }
}

/**
 * With a limit of one, two instances never serve: the new one waits until the old one has ended.
 */
bool Group::mustStandBy(const SpawnTask &task) const {
    return demand_.maxInstances() == 1 && !instances_.empty() && task.purpose != SpawnTask::Purpose::GROW;
}

/** The instance that stands by serves once no other one lives. */
void Group::activateStandby() {
    if (!pending_.standby()) {
        return;
    }
    if (instances_.serving() > 0) {
        // The limit was lowered when there were more than one. The new one would be one too many.
        dropStandby();
        roomCame();
        return;
    }
    if (instances_.draining() > 0) {
        return;
    }
    const PendingSpawns::Standby standby = pending_.takeStandby();
    pending_.begun(standby.task);
    try {
        context_.threads.run(
            "serve", [this, standby] { attempt(standby.task, [&] { putToWork(standby.task, standby.process); }); });
    } catch (const std::exception &error) {
        instances_.discard(standby.process);
        spawnFailed(standby.task, GetFailure{GetFailure::Reason::SPAWN_FAILED, error.what()});
    }
}

void Group::dropStandby() {
    if (pending_.standby()) {
        PendingSpawns::Standby standby = pending_.takeStandby();
        instances_.discard(standby.process);
        versions_.endLater(std::move(standby.task.spawner));
    }
}

/**
 * The instance has answered Options::reforkAfter requests. The next preloader is forked from it.
 */
void Group::warmed(const Process &process) {
    const ProcessPtr instance = instances_.find(process.id());
    if (!instance || instance->state != Process::State::SERVING || !instance->replacementReason.empty() ||
        preloader_.reforking() || instance->version() != versions_.current() || versions_.deployment() || shutDown_ ||
        !instance->parts().origin) {
        return;
    }
    try {
        context_.threads.run("refork", [this, instance, spawner = versions_.spawner(), options = options_] {
            const std::optional<SpawnException> failure = PreloaderCare::refork(context_, instance, *spawner, options);
            const PoolGuard guard(context_);
            preloader_.setReforking(false);
            if (spawner == versions_.spawner() && !shutDown_ && !context_.shuttingDown) {
                reforkEnded(*instance, failure);
            }
        });
        preloader_.setReforking(true);
    } catch (const std::exception &error) {
        Log::error("event=refork.not_started app=\"{}\" error=\"{}\"", name_, error.what());
    }
}

/** New instances share the memory of the warm one from now on. The others are replaced, one after
 *  the other. */
void Group::reforkEnded(const Process &instance, const std::optional<SpawnException> &failure) {
    if (failure) {
        counters_.reforksFailed++;
        preloader_.logFailure(instance, *failure);
        return;
    }
    counters_.reforked++;
    preloader_.reforked(instance, context_.clock.now());
    for (const ProcessPtr &process : instances_.all()) {
        replaceIfCold(*process);
    }
    rescale();
}

/** Also one that was on its way during the refork. */
void Group::replaceIfCold(Process &process) {
    if (preloader_.isCold(process)) {
        requestReplacement(process, "a warmed instance has made another preloader (PassengerReforkAfter)");
    }
}

// ----- Ends of instances

/** Takes the instance out of service. The instance ends when its requests are answered. */
void Group::retire(const ProcessPtr &process) {
    process->state = Process::State::DRAINING;
    process->finish();
    publish();
    if (process->closeOwnQueue()) {
        queue_.recheckWaiting();
    }
}

void Group::retireAll() {
    for (const ProcessPtr &process : instances_.all()) {
        if (process->stays()) {
            retire(process);
        }
    }
}

void Group::retireOlderThan(std::uint64_t version) {
    for (const ProcessPtr &process : instances_.all()) {
        if (process->version() < version) {
            process->replaced = true;
            if (process->stays()) {
                retire(process);
            }
        }
    }
}

/** The instance serves until another one has taken its place. */
void Group::requestReplacement(Process &process, const std::string &why) {
    if (!process.stays() || !process.replacementReason.empty()) {
        return;
    }
    process.replacementReason = why;
    Log::info("event=instance.worn app=\"{}\" pid={} reason=\"{}\"", name_, process.pid(), why);
    rescale();
}

void Group::measured(Process &process, std::uint64_t bytes) {
    process.memory = bytes;
    const std::uint64_t megabytes = bytes / MEGABYTE;
    if (options_.hardMemoryLimit > 0 && bytes > options_.hardMemoryLimit * MEGABYTE && process.pid() > 0) {
        Log::warn(
            "event=instance.killed app=\"{}\" pid={} reason=\"it uses {} MB of memory (PassengerHardMemoryLimit {})\"",
            name_, process.pid(), megabytes, options_.hardMemoryLimit);
        process.kill();
    } else if (options_.memoryLimit > 0 && bytes > options_.memoryLimit * MEGABYTE) {
        requestReplacement(
            process, fmt::format("it uses {} MB of memory (PassengerMemoryLimit {})", megabytes, options_.memoryLimit));
    }
}

void Group::processDied(const ProcessPtr &process) {
    if (process->state == Process::State::DEAD) {
        return;
    }
    const MonotonicTime now = context_.clock.now();
    const bool unexpected = process->state != Process::State::DRAINING && !shutDown_;
    process->logExit(context_.threads, name_);
    if (unexpected) {
        counters_.died++;
        demand_.readStatistics(now);
        failures_.backoff().instanceDied(now, demand_.lastProgress() > process->since());
        if (process->state == Process::State::SERVING) {
            demand_.restore();
        }
    }
    instances_.remove(process);
    hangs_.remove(process->id());
    if (shutDown_) {
        return;
    }
    publish();
    activateStandby();
    rescale();
    closeQueueIfUnused();
    room_.mayHaveCome();
    if (unexpected) {
        diedYoung(*process, now);
    }
}

/** Refuses waiting requests if instances die in a row and the next attempt is far off. */
void Group::diedYoung(Process &process, MonotonicTime now) {
    if (instances_.serving() > 0 || !pending_.none() || failures_.notBefore() < now + PATIENCE_WITH_DEATHS) {
        return;
    }
    GetFailure failure = failures_.describe(process);
    failures_.report("app.unstable", failure, now);
    goDown(failure);
}

/** No instance serves or is on its way. Requests are refused until the next attempt. */
void Group::goDown(const GetFailure &failure) {
    // Refused first: the end of the queue would only make the children ask again.
    queue_.refuseWaiting(failure);
    failures_.wentDown(failure, queue_.current() ? queue_.current()->number : Generation());
    if (queue_.current()) {
        closeQueue();
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
    if (process->stays()) {
        demand_.restore();
        retire(process);
    }
    process->askForBacktraces();
    roomCame();
}

}  // namespace Passenger
