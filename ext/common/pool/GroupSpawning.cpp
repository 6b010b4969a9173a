// The part of Group that leads from a spawner to an instance that serves.

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "log/Log.h"
#include "pool/Group.h"
#include "pool/Pool.h"
#include "spawning/Secrets.h"

namespace Passenger {

namespace {

std::shared_ptr<const Report> reportOf(const SpawnException &error) {
    Report report;
    const Secrets secrets({});
    report.summary = secrets.hide(error.what());
    report.add("Details", Report::Form::LINES, secrets.hide(error.report()));
    return std::make_shared<const Report>(std::move(report));
}

}  // namespace

Group::SpawnTask Group::growTask() const {
    return SpawnTask{SpawnTask::Purpose::GROW, version_, spawner_, options_, InstanceId(), context_.clock.now(), false};
}

/** False: no thread is to be had; whoever comes next tries again. */
bool Group::startSpawn(const SpawnTask &task) {
    try {
        // The thread needs our lock first.
        context_.threads.run("spawn", [this, task] { runSpawn(task); });
    } catch (const std::exception &error) {
        Log::error("event=spawn.not_started app=\"{}\" error=\"{}\"", name_, error.what());
        return false;
    }
    begun(task);
    context_.cpu.claim();
    return true;
}

void Group::begun(const SpawnTask &task) {
    starting_++;
    replacements_ += task.purpose == SpawnTask::Purpose::GROW ? 0 : 1;
}

void Group::concluded(const SpawnTask &task) {
    starting_--;
    lastSpawn_ = context_.clock.now();
    replacements_ -= task.purpose == SpawnTask::Purpose::GROW ? 0 : 1;
    if (task.purpose == SpawnTask::Purpose::REPLACE) {
        // Also if nobody wants it any more.
        beingReplaced_ = InstanceId();
    }
}

/** In a background thread. */
void Group::runSpawn(const SpawnTask &task) {
    attempt(task, [&] {
        if (!beginRestarts(task.options)) {
            // A file that is seen once they are known asks for another try.
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

/** Its restart files are looked at as the user whom it runs as, from now on. False: who that is cannot be found out. */
bool Group::beginRestarts(const Options &options) {
    std::optional<FileRights> rights;
    try {
        rights = context_.factory.rightsFor(options);
    } catch (const std::exception &) {
        // For the same reason its spawns fail, and say it.
        return false;
    }
    restartFiles_.begin(rights);
    return true;
}

/** Does a part of the task; what it throws is the task's failure. */
void Group::attempt(const SpawnTask &task, const std::function<void()> &work) {
    GetFailure failure{GetFailure::Reason::SPAWN_FAILED, ""};
    try {
        work();
        return;
    } catch (const SpawnException &error) {
        failure.summary = error.what();
        failure.report = error.details() ? error.details() : reportOf(error);
    } catch (const std::exception &error) {
        failure.summary = error.what();
    }
    {
        const PoolGuard guard(context_);
        spawnFailed(task, failure);
    }
}

/** Whether the instance is still of use, now that it is here. */
bool Group::wanted(const SpawnTask &task) const {
    if (shutDown_ || context_.shuttingDown) {
        return false;
    }
    return deploys(task) || (task.version == version_ && queue_.current());
}

/** In a background thread. */
void Group::started(const SpawnTask &task, const ProcessPtr &process) {
    process->socket.concurrency = task.options.threads;
    bool goesOn = false;
    {
        const PoolGuard guard(context_);
        if (!wanted(task)) {
            // Its version is over, or the application went down.
            concluded(task);
            instances_.discard(process);
            rescale();
            pool_.roomMayHaveCome();
        } else if (mustStandBy(task)) {
            standBy(task, process);
        } else {
            goesOn = true;
        }
    }
    if (goesOn) {
        putToWork(task, process);
    }
}

/** In a background thread: gives the instance its queue, and takes it into service. */
void Group::putToWork(const SpawnTask &task, const ProcessPtr &process) {
    serveFromQueue(task, *process);
    {
        const PoolGuard guard(context_);
        join(task, process);
    }
    watch(process);
}

/** From "here is your queue" to "I take from it". The application's own hooks run in between. */
void Group::serveFromQueue(const SpawnTask &task, Process &process) {
    if (task.options.stickySessions) {
        process.ownQueue.emplace();
    }
    Frame serve(FrameType::SERVE);
    FileDescriptor claims;
    FileDescriptor senders;
    QueueGenerationPtr queue;
    {
        const PoolGuard guard(context_);
        claims = queue_.claims().memory().descriptor().duplicate();
        senders = queue_.senders().memory().readOnlyDescriptor();
        // A new version's, or the present one, which may be another than when the instance was ordered.
        queue = deploys(task) ? deployment_->queue : queue_.current();
        if (!queue) {
            throw SpawnException(name_ + " went down meanwhile");
        }
        const std::optional<CellRange> cells = queue_.allocate(task.options.threads);
        if (!cells) {
            throw SpawnException(
                fmt::format("{} has more than {} threads in all its instances", name_, ClaimsLayout::CELLS));
        }
        process.socket.cells = *cells;
    }
    serve.add(std::uint64_t{process.socket.cells.first});
    serve.add(std::uint64_t{process.socket.cells.count});
    serve.add(name_);
    serve.add(std::uint64_t{task.options.maxRequests});
    serve.add(std::uint64_t{process.ownQueue ? process.stickyId() : 0});
    serve.add(std::uint64_t{process.parts().origin ? task.options.reforkAfter : 0});
    serve.add(HangWatch::heartbeatInterval(task.options));
    std::vector<int> descriptors{queue->queue.receivingEnd().get(), claims.get(), senders.get()};
    if (process.ownQueue) {
        descriptors.push_back(process.ownQueue->receivingEnd().get());
    }
    try {
        const CancelSwitch::Watch watch(beginnings_, process.parts().control.descriptor());
        process.beginToServe(serve, descriptors, task.options);
    } catch (const SpawnException &) {
        const PoolGuard guard(context_);
        // It may have taken a request already.
        queue_.giveUp(process.socket.cells);
        throw;
    }
}

void Group::join(const SpawnTask &task, const ProcessPtr &process) {
    const MonotonicTime now = context_.clock.now();
    concluded(task);
    counters_.spawned++;
    lastJoin_ = now;
    instances_.add(process);
    hangs_.add(process->id(), task.options, now);
    spawnFallback_ = process->parts().fallback;
    const bool stays = wanted(task);
    Log::notice("event=instance.started app=\"{}\" pid={} ms={}", name_, process->pid(),
                std::chrono::duration_cast<std::chrono::milliseconds>(now - task.begunAt).count());
    if (stays) {
        backoff_.spawnSucceeded();
        failure_.reset();
        expecting_.reset();
        if (task.purpose == SpawnTask::Purpose::GROW) {
            idle_.restart(now);
            lately_.restart(now);
        }
        readStatistics(now);
        takeOver(task);
        if (instances_.serving() == 1) {
            // However few can be started at once: the others follow.
            restoreTo_ = std::max(restoreTo_, options_.startInstances);
        }
        if (instances_.serving() >= restoreTo_) {
            restoreTo_ = 0;
        }
        publish();
        activateStandby();
        replaceIfCold(*process);
    } else {
        retire(process);
    }
    rescale();
    pool_.roomMayHaveCome();
}

/** Not before it has joined: the callbacks take the lock, and what they find must be complete. */
void Group::watch(const ProcessPtr &process) {
    try {
        process->watch(
            context_.loop,
            [this, process = std::weak_ptr<Process>(process)] { pool_.processDied(*this, process.lock()); },
            [this, raw = process.get()](const Frame &frame) { pool_.processSent(*this, *raw, frame); });
    } catch (const std::exception &error) {
        // Nobody would notice its end.
        Log::error("event=instance.unwatched app=\"{}\" pid={} error=\"{}\" action=kill", name_, process->pid(),
                   error.what());
        process->kill();
        pool_.processDied(*this, process);
    }
}

/** A process that a signal has ended may be sound, and somebody has killed it or a process that it needed: that costs one more attempt,
 *  at once, and no request. */
bool Group::tryAgain(const SpawnTask &task, const GetFailure &failure) {
    if (task.secondAttempt || !failure.report || failure.report->signal == 0) {
        return false;
    }
    Log::warn("event=spawn.killed app=\"{}\" signal={} error=\"{}\" action=\"one more attempt\"", name_,
              failure.report->signal, failure.summary);
    SpawnTask again = task;
    again.secondAttempt = true;
    if (!startSpawn(again)) {
        return false;
    }
    if (again.purpose == SpawnTask::Purpose::REPLACE) {
        beingReplaced_ = again.replaces;
    }
    return true;
}

void Group::spawnFailed(const SpawnTask &task, GetFailure failure) {
    concluded(task);
    const bool deploying = deploys(task);
    if (shutDown_ || (task.version != version_ && !deploying)) {
        // It was cancelled.
        rescale();
        pool_.roomMayHaveCome();
        return;
    }
    if (tryAgain(task, failure)) {
        return;
    }
    if (task.secondAttempt) {
        failure.summary += ", and this was the second attempt";
    }
    counters_.spawnsFailed++;
    backoff_.spawnFailed(context_.clock.now());
    logFailure("spawn.failed", failure);
    if (deploying) {
        deployFailed(failure);
    }
    if (!deployment_) {
        restoreTo_ = 0;
    }
    if (instances_.serving() == 0 && starting_ == 0 && !deployment_) {
        goDown(failure);
    }
    rescale();
    pool_.roomMayHaveCome();
}

}  // namespace Passenger
