#include "pool/InstanceStarter.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "base/Exceptions.h"
#include "base/LogLimit.h"
#include "log/Log.h"
#include "pool/FailureReports.h"
#include "pool/Orphans.h"

namespace Passenger {

namespace {

/** The pause after a start for which there was no thread. */
constexpr std::chrono::seconds WITHOUT_THREADS{1};

}  // namespace

// ----- Spawns

SpawnTask InstanceStarter::order(SpawnTask::Purpose purpose) const {
    SpawnTask task;
    task.purpose = purpose;
    task.version = parts_.versions.current();
    task.spawner = parts_.versions.spawner();
    task.options = parts_.options;
    task.options.othersServe = parts_.instances.serving() > 0;
    task.options.othersStillServe = parts_.instances.anyServes();
    task.begunAt = parts_.context.clock.now();
    return task;
}

bool InstanceStarter::startAdoption(const std::string &orphan) {
    SpawnTask task = order(SpawnTask::Purpose::GROW);
    task.orphan = orphan;
    return run(task);
}

bool InstanceStarter::start(SpawnTask::Purpose purpose, InstanceId replaces) {
    if (parts_.context.clock.now() < notBefore_) {
        return false;
    }
    SpawnTask task = order(purpose);
    task.replaces = replaces;
    task.loads = purpose == SpawnTask::Purpose::DEPLOY || !parts_.preloader.isLoaded();
    if (purpose == SpawnTask::Purpose::DEPLOY) {
        task.version = parts_.versions.deployment()->version;
        task.spawner = parts_.versions.deployment()->spawner;
    }
    return run(task);
}

void InstanceStarter::refuse(GetFailure failure) {
    listener_.failed(order(SpawnTask::Purpose::GROW), std::move(failure));
}

bool InstanceStarter::run(const SpawnTask &task) {
    try {
        // The thread needs the lock first.
        parts_.context.threads.run("spawn", [this, task] { spawn(task); });
    } catch (const std::exception &error) {
        const MonotonicTime now = parts_.context.clock.now();
        notBefore_ = now + WITHOUT_THREADS;
        if (now < nextLine_) {
            return false;
        }
        nextLine_ = now + LogLimit::INTERVAL;
        Log::error("event=spawn.not_started app=\"{}\" error=\"{}\"", parts_.app, error.what());
        return false;
    }
    parts_.spawns.begun(task);
    parts_.context.cpu.claim();
    return true;
}

/** In a background thread. */
void InstanceStarter::spawn(const SpawnTask &task) {
    attempt(task, [&] {
        const std::string restartFile = listener_.prepare();
        if (!task.orphan.empty() && adopt(task)) {
            return;
        }
        spawned(task, make(task, restartFile));
    });
}

ProcessPtr InstanceStarter::make(const SpawnTask &task, const std::string &restartFile) {
    const MonotonicTime begin = parts_.context.clock.now();
    SpawnResult result = task.spawner->spawn(task.options);
    InstanceId id;
    {
        const PoolGuard guard(parts_.context);
        id = parts_.context.nextInstance();
    }
    const MonotonicTime now = parts_.context.clock.now();
    Process::Start start{.threads = concurrencyOf(result, task.options),
                         .heartbeatTimeout = task.options.heartbeatTimeout,
                         .stopTimeout = task.options.stopTimeout,
                         .restartFile = restartFile,
                         .spawnTime = now - begin};
    return std::make_shared<Process>(std::move(result), id, task.version, now, std::move(start));
}

/** False: the instance that an earlier pool process has left cannot be taken over. */
bool InstanceStarter::adopt(const SpawnTask &task) {
    std::optional<Orphan> orphan = parts_.context.orphans.take(task.orphan);
    if (!orphan) {
        return false;
    }
    std::shared_ptr<Process> process;
    try {
        SpawnResult result = task.spawner->adopt(task.options, orphan->left);
        InstanceId id;
        {
            const PoolGuard guard(parts_.context);
            if (parts_.succession.mustStandBy()) {
                throw SpawnException("the application may have one instance, and has one");
            }
            id = parts_.context.nextInstance();
        }
        process = std::make_shared<Process>(std::move(result), *orphan, id, task.version, parts_.context.clock.now());
        putToWork(task, process);
        return true;
    } catch (const std::exception &error) {
        Log::warn("event=instance.not_adopted app=\"{}\" pid={} error=\"{}\"", parts_.app, orphan->note.pid,
                  error.what());
    }
    parts_.context.orphans.giveBack(std::move(*orphan), process && process->killed());
    return false;
}

/** Does the task. An exception is its failure, unless the version is over by then: the failed
 *  process may have found the files of the next one, or none. */
void InstanceStarter::attempt(const SpawnTask &task, const std::function<void()> &work) {
    std::optional<GetFailure> failure;
    std::string notLoadedReason;
    try {
        work();
        return;
    } catch (const NotLoadedException &error) {
        notLoadedReason = error.what();
    } catch (const std::exception &error) {
        failure = FailureReports::describe(error);
        task.spawner->lookForChanges(task.options);
    }
    const PoolGuard guard(parts_.context);
    concluded(task);
    if (isOver(task)) {
        listener_.roomCame();
    } else if (failure) {
        fail(task, std::move(*failure));
    } else {
        notLoaded(notLoadedReason);
    }
}

/** In a background thread. */
void InstanceStarter::spawned(const SpawnTask &task, const ProcessPtr &process) {
    if (task.purpose == SpawnTask::Purpose::DEPLOY) {
        startCompanions(task, *process);
    }
    {
        const PoolGuard guard(parts_.context);
        const bool isOneTooMany = parts_.succession.mustStandBy() && task.purpose != SpawnTask::Purpose::DEPLOY &&
                                  parts_.instances.standby(parts_.versions.current());
        if (!wanted(task) || isOneTooMany) {
            // Its version is over, or the application went down, or the limit was lowered.
            concluded(task);
            parts_.instances.discard(process);
            listener_.roomCame();
            return;
        }
        if (task.version == parts_.versions.current()) {
            listener_.loaded(*process);
        }
    }
    putToWork(task, process);
}

/** In a background thread, one after the other. A companion that does not start is no reason to
 *  give the version up: its first instance is ready. */
void InstanceStarter::startCompanions(const SpawnTask &first, const Process &process) {
    SpawnTask task = first;
    task.purpose = SpawnTask::Purpose::GROW;
    task.aboveLimit = process.parts().origin != nullptr;
    task.loads = !task.aboveLimit;
    for (unsigned ready = 1;; ready++) {
        {
            const PoolGuard guard(parts_.context);
            if (!wanted(first) || !listener_.wantsCompanion(ready, task.aboveLimit)) {
                return;
            }
            task.begunAt = parts_.context.clock.now();
            parts_.spawns.begun(task);
            parts_.context.cpu.claim();
        }
        try {
            spawned(task, make(task, process.restartFile()));
        } catch (const std::exception &error) {
            const PoolGuard guard(parts_.context);
            concluded(task);
            if (wanted(task) && !task.spawner->loadsNothing()) {
                Log::warn("event=deploy.alone app=\"{}\" version={} error=\"{}\"", parts_.app, task.version,
                          error.what());
            }
            return;
        }
    }
}

/** A startup file for WSGI may have an ASGI application. PassengerThreadCount does not count for
 *  it. */
unsigned InstanceStarter::concurrencyOf(const SpawnResult &result, const Options &options) {
    return result.isAsgi && !options.isAsync() ? Options::NO_THREAD_LIMIT : options.threads;
}

/** An adopted instance has as many threads as before, and one of Ruby or WSGI as many as are set. A
 *  bridge and an event loop do with fewer. */
std::uint32_t InstanceStarter::cellsAtLeast(const Process &process, const Options &options) {
    constexpr unsigned CELLS_OF_AN_EVENT_LOOP = 32;
    const unsigned wanted = process.socket().concurrency;
    const bool doesWithFewer = options.startsByBridge() || options.isAsync() || process.parts().isAsgi;
    return process.former() || !doesWithFewer ? wanted : std::min(wanted, CELLS_OF_AN_EVENT_LOOP);
}

/** In a background thread: gives the instance its queue, and takes it into service. The
 *  application's own hooks run meanwhile. */
void InstanceStarter::putToWork(const SpawnTask &task, const ProcessPtr &process) {
    QueueHandover handover;
    {
        const PoolGuard guard(parts_.context);
        // The current queue may be another one than when the instance was ordered.
        const QueueGenerationPtr queue = queueFor(task);
        if (!queue) {
            throw SpawnException("the application " + parts_.app + " stopped while the instance started");
        }
        handover = parts_.queue.handOver(queue, process->socket().concurrency, cellsAtLeast(*process, task.options));
        process->give({handover.cells.count, queue->number, handover.cells});
        handover.paused = parts_.pause.until().has_value() || parts_.succession.mustStandBy();
        const bool isCompanion = task.purpose == SpawnTask::Purpose::GROW && parts_.versions.deploys(task);
        if (parts_.succession.mustStandBy() || isCompanion) {
            process->lifecycle().standBy();
        }
        if (process->former()) {
            // This process may die before the instance has joined.
            parts_.instances.deposit(*process);
        }
    }
    try {
        // An instance that serves already finishes its requests, whatever becomes of its version.
        process->beginToServe(handover, parts_.app, task.options,
                              process->former() ? adoptions_ : task.spawner->cancelSwitch());
    } catch (...) {
        const PoolGuard guard(parts_.context);
        // The instance may have taken a request already.
        parts_.queue.giveUp(handover.cells, process->killed(), parts_.queue.isCurrent(handover.queue->number));
        throw;
    }
    {
        const PoolGuard guard(parts_.context);
        // A queue that was replaced while the instance loaded is closed: it would get no request.
        const bool stays = wanted(task) && queueFor(task) == handover.queue;
        concluded(task);
        listener_.joined(task, process, stays);
    }
    watch(process);
}

/** Not before the instance has joined: the callbacks take the lock and need a complete state. */
void InstanceStarter::watch(const ProcessPtr &process) {
    const auto died = [this, weak = std::weak_ptr<Process>(process)] {
        // Released after the lock.
        if (const ProcessPtr ended = weak.lock()) {
            const PoolGuard guard(parts_.context);
            listener_.died(ended);
        }
    };
    const auto sent = [this, raw = process.get()](const Frame &frame) {
        const PoolGuard guard(parts_.context);
        listener_.sent(*raw, frame);
    };
    try {
        process->link().watch(parts_.context.loop, process->socket().concurrency, died, sent);
    } catch (const std::exception &error) {
        // Nothing would notice its end.
        Log::error("event=instance.unwatched app=\"{}\" pid={} error=\"{}\" action=kill", parts_.app, process->pid(),
                   error.what());
        process->kill();
        died();
    }
}

/** The queue of the task's version. Null: the application is down. */
QueueGenerationPtr InstanceStarter::queueFor(const SpawnTask &task) const {
    return parts_.versions.deploys(task) ? parts_.versions.deployment()->queue : parts_.queue.current();
}

/** Whether the task's version is over: what becomes of the task counts for nothing. */
bool InstanceStarter::isOver(const SpawnTask &task) const {
    return cancelled_ || parts_.context.shuttingDown ||
           (task.version != parts_.versions.current() && !parts_.versions.deploys(task));
}

/** Whether the task's instance is still of use. */
bool InstanceStarter::wanted(const SpawnTask &task) const {
    return !isOver(task) && queueFor(task);
}

void InstanceStarter::concluded(const SpawnTask &task) {
    parts_.spawns.concluded(task);
    parts_.preloader.spawnEnded(parts_.context.clock.now());
}

void InstanceStarter::cancel() {
    cancelled_ = true;
    adoptions_.cancel();
}

// ----- Failures

void InstanceStarter::fail(const SpawnTask &task, GetFailure failure) {
    if (tryAgain(task, failure)) {
        return;
    }
    if (task.secondAttempt) {
        failure.summary += ", and this was the second attempt";
    }
    listener_.failed(task, std::move(failure));
}

/** A process that a signal has ended may be sound; somebody may have killed it or a process that it
 *  needed. So may one that has exited with status 0, as an application's own handler of SIGTERM
 *  does. It is started once more, at once, and no request is refused for it. */
bool InstanceStarter::tryAgain(const SpawnTask &task, const GetFailure &failure) {
    if (task.secondAttempt || !failure.report || (failure.report->signal == 0 && !failure.report->orderly)) {
        return false;
    }
    Log::warn("event=spawn.killed app=\"{}\" signal={} error=\"{}\" action=\"one more attempt\"", parts_.app,
              failure.report->signal, failure.summary);
    SpawnTask again = task;
    again.orphan.clear();
    again.secondAttempt = true;
    return run(again);
}

/** That is no failure of the application: the Scaler decides anew. */
void InstanceStarter::notLoaded(const std::string &reason) {
    Log::notice("event=spawn.not_loaded app=\"{}\" reason=\"{}\"", parts_.app, reason);
    parts_.preloader.notLoaded();
    listener_.roomCame();
}

}  // namespace Passenger
