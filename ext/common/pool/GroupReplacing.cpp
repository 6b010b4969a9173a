// The part of Group about what takes the place of something: versions after a restart, instances that are worn, and what people order.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "log/Log.h"
#include "pool/Group.h"
#include "pool/Pool.h"

namespace Passenger {

// ----- Versions

void Group::restart() {
    Log::notice("event=app.restart app=\"{}\"", name_);
    counters_.restarts++;
    backoff_.reset();
    failure_.reset();
    deployFailure_.reset();
    dropDeployment();
    dropStandby();
    queue_.takePeak();
    const unsigned now = instances_.serving();
    restoreTo_ = std::max(now, restoreTo_);
    SpawnerPointer fresh = context_.factory.create(options_);
    const std::uint64_t version = ++lastVersion_;
    if (now > 0 && options_.rollingRestarts) {
        deployment_ = Deployment{version, std::move(fresh), makeGeneration()};
    } else {
        buryLater(std::exchange(spawner_, std::move(fresh)));
        version_ = version;
        if (now > 0) {
            newQueue();
        }
        retireOlderThan(version);
    }
    rescale();
}

/** Starts the first instance of the new version, if there may be one more. */
void Group::deploy() {
    if (instances_.serving() > 0) {
        deployment_->started =
            !standby_ && pool_.admitReplacement(*this) &&
            startSpawn(SpawnTask{SpawnTask::Purpose::DEPLOY, deployment_->version, deployment_->spawner, options_,
                                 InstanceId(), context_.clock.now(), false});
    } else if (!standby_ && starting_ == 0) {
        // Nothing serves meanwhile, nor is about to: it comes like any first instance.
        adoptDeployment();
        retireOlderThan(version_);
    }
}

/** The new version is the Group's from now on. */
void Group::adoptDeployment() {
    buryLater(std::exchange(spawner_, std::move(deployment_->spawner)));
    version_ = deployment_->version;
    deployment_.reset();
}

/** Whether the task is to bring the new version that is wanted still. */
bool Group::deploys(const SpawnTask &task) const {
    return deployment_ && deployment_->version == task.version;
}

/** The task's instance is ready (or on standby): what it was made to replace goes. */
void Group::takeOver(const SpawnTask &task) {
    if (task.purpose == SpawnTask::Purpose::DEPLOY) {
        if (!deploys(task)) {
            // It was on standby, and took over then.
            return;
        }
        const QueueGenerationPtr queue = deployment_->queue;
        adoptDeployment();
        queue_.makeCurrent(queue, 0);
        retireOlderThan(version_);
    } else if (task.purpose == SpawnTask::Purpose::REPLACE) {
        beingReplaced_ = InstanceId();
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

void Group::deployFailed(const GetFailure &failure) {
    counters_.deploysFailed++;
    deployFailure_ = failure;
    Log::error("event=deploy.failed app=\"{}\" report={} action=\"the old version keeps serving\"", name_,
               failure.reportId());
    dropDeployment();
}

void Group::dropDeployment() {
    if (deployment_) {
        buryLater(std::move(deployment_->spawner));
        deployment_.reset();
    }
}

void Group::retireAll() {
    for (const ProcessPtr &process : std::vector<ProcessPtr>(instances_.all())) {
        if (process->stays()) {
            retire(process);
        }
    }
}

void Group::retireOlderThan(std::uint64_t version) {
    for (const ProcessPtr &process : std::vector<ProcessPtr>(instances_.all())) {
        if (process->version() >= version) {
            continue;
        }
        process->replaced = true;
        if (process->stays()) {
            retire(process);
        }
    }
}

bool Group::mayAlwaysRestart() const {
    if (starting_ > 0 || deployment_ || standby_ || instances_.empty() ||
        instances_.all().back()->version() != version_) {
        return false;
    }
    return lastBusy_ > instances_.all().back()->since() || queue_.senders().peak() > 0;
}

QueueGenerationPtr Group::makeGeneration() {
    context_.lastGeneration = Generation(context_.lastGeneration.value() + 1);
    return std::make_shared<QueueGeneration>(
        QueueGeneration{context_.lastGeneration, RequestQueue(options_.maxQueueSize)});
}

/** A line that has no instance yet. */
void Group::newQueue() {
    queue_.makeCurrent(makeGeneration(), 0);
}

// ----- Where only one instance may serve

/** Limits of one are never exceeded by instances that serve: the new one is started, and waits for the old one's last answer. */
bool Group::mustStandBy(const SpawnTask &task) const {
    return maxInstances() == 1 && instances_.living() > 0 && task.purpose != SpawnTask::Purpose::GROW;
}

void Group::standBy(const SpawnTask &task, const ProcessPtr &process) {
    concluded(task);
    process->state = Process::State::STANDBY;
    standby_ = Standby{process, task};
    takeOver(task);
    activateStandby();
}

/** Once nothing else lives. */
void Group::activateStandby() {
    if (!standby_) {
        return;
    }
    if (instances_.serving() > 0) {
        // There were more than one, since the limit was lowered. Now it would be one too many.
        dropStandby();
        rescale();
        pool_.roomMayHaveCome();
        return;
    }
    if (instances_.draining() > 0) {
        return;
    }
    const Standby standby = std::move(*standby_);
    standby_.reset();
    begun(standby.task);
    try {
        context_.threads.run(
            "serve", [this, standby] { attempt(standby.task, [&] { putToWork(standby.task, standby.process); }); });
    } catch (const std::exception &error) {
        standby.process->kill();
        spawnFailed(standby.task, GetFailure{GetFailure::Reason::SPAWN_FAILED, error.what()});
    }
}

void Group::dropStandby() {
    if (standby_) {
        instances_.discard(standby_->process);
        dropLater(std::move(standby_->task.spawner));
        standby_.reset();
    }
}

// ----- Single instances

void Group::requestReplacement(Process &process, const std::string &why) {
    if (!process.stays() || !process.replacementReason.empty()) {
        return;
    }
    process.replacementReason = why;
    Log::info("event=instance.worn app=\"{}\" pid={} reason=\"{}\"", name_, process.pid(), why);
    rescale();
}

/** Starts the successor of a worn instance, one at a time. A disabled one has to wait until it is enabled. */
void Group::replaceOne(MonotonicTime now) {
    if (beingReplaced_ || deployment_ || standby_ || !backoff_.mayTry(now)) {
        return;
    }
    const ProcessPtr process = instances_.dueForReplacement();
    if (!process) {
        return;
    }
    SpawnTask task = growTask();
    task.purpose = SpawnTask::Purpose::REPLACE;
    task.replaces = process->id();
    if (pool_.admitReplacement(*this) && startSpawn(task)) {
        beingReplaced_ = process->id();
    }
}

void Group::detach(const ProcessPtr &process) {
    if (!process->stays()) {
        return;
    }
    Log::notice("event=instance.detached app=\"{}\" pid={}", name_, process->pid());
    if (process->state == Process::State::SERVING) {
        restoreTo_ = std::max(restoreTo_, instances_.serving());
    }
    retire(process);
    rescale();
    pool_.roomMayHaveCome();
}

bool Group::disable(const ProcessPtr &process) {
    if (process->state != Process::State::SERVING) {
        return process->state == Process::State::DISABLED;
    }
    if (instances_.serving() == 1 && (atLimit() || !pool_.hasRoom())) {
        return false;
    }
    Log::notice("event=instance.disabled app=\"{}\" pid={}", name_, process->pid());
    restoreTo_ = std::max(restoreTo_, instances_.serving());
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

/** Takes the instance out of service. It ends by itself once it has answered what it works at. */
void Group::retire(const ProcessPtr &process) {
    process->state = Process::State::DRAINING;
    process->finish();
    publish();
    if (process->closeOwnQueue()) {
        queue_.recheckWaiting();
    }
}

void Group::measured(Process &process, std::uint64_t bytes) {
    process.memory = bytes;
    const std::uint64_t hardLimit = std::uint64_t{options_.hardMemoryLimit} * 1024 * 1024;
    if (hardLimit > 0 && bytes > hardLimit && process.pid() > 0) {
        Log::warn(
            "event=instance.killed app=\"{}\" pid={} reason=\"it uses {} MB of memory (PassengerHardMemoryLimit {})\"",
            name_, process.pid(), bytes / (1024 * 1024), options_.hardMemoryLimit);
        process.kill();
        return;
    }
    const std::uint64_t limit = std::uint64_t{options_.memoryLimit} * 1024 * 1024;
    if (limit > 0 && bytes > limit) {
        requestReplacement(process, fmt::format("it uses {} MB of memory (PassengerMemoryLimit {})",
                                                bytes / (1024 * 1024), options_.memoryLimit));
    }
}

}  // namespace Passenger
