#include "pool/Succession.h"

#include <chrono>
#include <cstdint>
#include <utility>

#include "log/Log.h"

namespace Passenger {

bool Succession::replacing() const {
    const Versions::Deployment *deployment = parts_.versions.deployment();
    return standsBy() || parts_.instances.find(parts_.spawns.beingReplaced()) ||
           (deployment && deployment->started && !parts_.instances.empty()) || parts_.instances.anyReplaced();
}

// ----- Versions

void Succession::restart(const std::string &reason) {
    begin(reason);
    startupFiles_.changed();
}

bool Succession::follow(const Options &options) {
    const bool begins = startupFiles_.follow(options, {.deploying = parts_.versions.deployment() != nullptr,
                                                       .failed = parts_.versions.failure().has_value()});
    if (begins) {
        begin("it has another startup file");
        startupFiles_.tried();
    }
    return begins;
}

void Succession::begin(const std::string &reason) {
    SpawnerPointer spawner = parts_.context.factory.create(parts_.options);
    QueueGenerationPtr queue = servesSoon() ? parts_.context.makeQueue(parts_.options) : nullptr;
    Log::notice("event=app.restart app=\"{}\" reason=\"{}\"", parts_.app, reason);
    parts_.counters.restarts++;
    restartReason_ = reason;
    restartedAt_ = parts_.context.clock.now();
    parts_.context.orphans.end(parts_.app);
    parts_.spawns.changed();
    parts_.reports.changed();
    // The standby of the current version is an instance of the old version: the application has it
    // until the new one serves.
    parts_.instances.retireCompanions(parts_.versions.current());
    parts_.queue.takePeak();
    parts_.demand.restore();
    if (queue && parts_.options.rollingRestarts) {
        parts_.instances.noteRestart();
        parts_.versions.deploy(std::move(spawner), std::move(queue), restartedAt_);
    } else {
        parts_.versions.replace(std::move(spawner));
        if (queue) {
            parts_.queue.makeCurrent(std::move(queue));
        }
        parts_.instances.retireOlderThan(parts_.versions.current());
    }
}

bool Succession::mayAlwaysRestart() const {
    if (!parts_.spawns.none() || standsBy() || parts_.versions.deployment() || parts_.instances.empty()) {
        return false;
    }
    const Process &newest = *parts_.instances.all().back();
    return newest.version() == parts_.versions.current() &&
           (parts_.demand.lastBusy() > newest.since() || parts_.queue.senders().peak() > 0);
}

std::optional<RestartStatus> Succession::lastRestart(MonotonicTime now) const {
    return parts_.counters.restarts > 0 ? std::optional(RestartStatus{restartReason_, inSeconds(now - restartedAt_)})
                                        : std::nullopt;
}

bool Succession::attemptFailed(const SpawnTask &task, const GetFailure &failure, const std::string &seen) {
    const bool isAttempt =
        parts_.versions.deploys(task) || (parts_.versions.isAttempt(task) && parts_.instances.serving() == 0);
    if (!isAttempt || parts_.versions.postpone(failure)) {
        return false;
    }
    parts_.counters.deploysFailed++;
    const bool oldVersionStays = parts_.options.resistDeploymentErrors;
    parts_.instances.retireCompanions(parts_.versions.current());
    parts_.versions.fail(failure, oldVersionStays, afterFailure());
    parts_.instances.restartFailed(seen);
    parts_.instances.retireOlderThan(parts_.versions.current());
    return oldVersionStays;
}

/** What follows a failed deployment, for the log. */
std::string_view Succession::afterFailure() const {
    if (!parts_.options.resistDeploymentErrors) {
        return "requests get this failure (PassengerResistDeploymentErrors Off)";
    }
    if (servesSoon()) {
        return "the old version keeps serving";
    }
    return parts_.preloader.isLoaded() ? "the old version is started again when a request needs it"
                                       : "the new version is tried again when a request needs it";
}

// ----- Instances

void Succession::takeOver(const SpawnTask &task) {
    if (task.purpose == SpawnTask::Purpose::DEPLOY && parts_.versions.deploys(task)) {
        const std::chrono::nanoseconds took = parts_.context.clock.now() - parts_.versions.deployment()->begun;
        parts_.queue.makeCurrent(parts_.versions.adopt());
        Log::notice("event=deploy.done app=\"{}\" version={} ms={}", parts_.app, parts_.versions.current(),
                    std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
        parts_.context.orphans.end(parts_.app);
        // Not activateStandby(): the old instances still count as wanted again.
        activate();
        parts_.instances.retireOlderThan(parts_.versions.current());
    } else if (task.purpose == SpawnTask::Purpose::REPLACE) {
        const ProcessPtr outgoing = parts_.instances.find(task.replaces);
        if (!outgoing) {
            return;
        }
        outgoing->lifecycle().noteSuccessor();
        if (outgoing->stays()) {
            parts_.counters.replaced++;
            parts_.instances.retire(outgoing);
        }
    }
}

/** The instances of the current version that stand by serve from now on. With a limit of one, a
 *  single one does, and only if no other instance works. @return whether one began to */
bool Succession::activate() {
    const std::uint64_t current = parts_.versions.current();
    const bool alone = parts_.demand.maxInstances() == 1;
    bool oneTooMany = alone && parts_.instances.serves(current);
    bool began = false;
    for (const ProcessPtr &process : parts_.instances.all()) {
        if (process->state() != Process::State::STANDBY || process->version() != current) {
            continue;
        }
        if (oneTooMany) {
            // The limit was lowered when there were more than one.
            parts_.instances.retire(process);
            continue;
        }
        oneTooMany = alone;
        if (!alone || !parts_.instances.anyWorks()) {
            parts_.instances.serve(process, parts_.versions.deployment() != nullptr);
            parts_.pause.apply(*process);
            began = true;
        }
    }
    return began;
}

}  // namespace Passenger
