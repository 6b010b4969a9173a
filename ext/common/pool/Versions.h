#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/Clock.h"
#include "pool/ApplicationQueue.h"
#include "pool/BackgroundThreads.h"
#include "pool/GetFailure.h"
#include "pool/SpawnTask.h"

namespace Passenger {

/**
 * The versions of an application, one for each restart. There is the current one, with its Spawner,
 * and the deployment, a version that takes over when its first instance is ready.
 * PassengerResistDeploymentErrors says which one stays if the deployment fails.
 *
 * Owned by the Group; guarded by the pool's lock. Nothing in it waits: Spawners of past versions
 * end in a background thread.
 */
class Versions {
public:
    /** A version that is to take over. */
    struct Deployment {
        std::uint64_t version = 0;
        SpawnerPointer spawner;
        /** The queue that its instances will take requests from. */
        QueueGenerationPtr queue;
        MonotonicTime begun;
        /** Whether its first instance is on its way. */
        bool started = false;
        /** Starts of its first instance that have failed. */
        unsigned failures = 0;
    };

    /** Both references outlive this object. */
    Versions(const std::string &app, BackgroundThreads &threads, SpawnerPointer first)
        : app_(app), threads_(threads), spawner_(std::move(first)) {}

    std::uint64_t current() const noexcept { return current_; }
    /** The current version's. Null after shutDown(). */
    const SpawnerPointer &spawner() const noexcept { return spawner_; }
    /** Null: there is none. */
    const Deployment *deployment() const noexcept { return deployment_ ? &*deployment_ : nullptr; }
    /** Whether the first instance of the deployment is on its way. Only with a deployment. */
    void setStarted(bool started) noexcept { deployment_->started = started; }
    bool deploys(const SpawnTask &task) const noexcept { return deployment_ && deployment_->version == task.version; }
    /** Whether a failure of the task counts as one of the deployment: between two attempts the old
     *  version does not start either. */
    bool isAttempt(const SpawnTask &task) const noexcept {
        return deploys(task) || (deployment_ && deployment_->failures > 0);
    }
    /** Why the last deployment failed; nothing: it did not. */
    const std::optional<GetFailure> &failure() const noexcept { return failure_; }

    /** A new version takes over when its first instance is ready. The Spawner of the current one
     *  loads nothing any more: the files are those of the new version. */
    void deploy(SpawnerPointer spawner, QueueGenerationPtr queue, MonotonicTime now);
    /** A new version is the current one at once. */
    void replace(SpawnerPointer spawner);
    /** When the deployment of the current version began; nothing: it had none. */
    std::optional<MonotonicTime> deploymentBegun() const noexcept { return begun_; }
    /** The deployment is the current version from now on. @return its queue */
    QueueGenerationPtr adopt();
    /** The first instance of the deployment did not start. @return whether another attempt is made,
     *  by the back-off: the cause may pass. Only with a deployment */
    bool postpone(const GetFailure &failure) noexcept;
    /** The new version does not start. @param resists the current one stays; otherwise the new one
     *  is the current one all the same. @param action what follows, for the log */
    void fail(const GetFailure &failure, bool resists, std::string_view action);
    /** The last deployment has failed, as an earlier pool process has left it. */
    void assumeFailed();
    /** Cancels all Spawners, for good. */
    void shutDown();

private:
    void drop();
    void cancel(SpawnerPointer spawner);

    const std::string &app_;
    BackgroundThreads &threads_;
    std::uint64_t current_ = 1;
    std::uint64_t last_ = 1;
    SpawnerPointer spawner_;
    std::optional<Deployment> deployment_;
    std::optional<MonotonicTime> begun_;
    std::optional<GetFailure> failure_;
};

}  // namespace Passenger
