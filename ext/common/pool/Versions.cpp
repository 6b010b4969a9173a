#include "pool/Versions.h"

#include <exception>
#include <utility>

#include "log/Log.h"

namespace Passenger {

namespace {

/** With the delays of Backoff, failures at once end the attempts after 15 seconds. */
constexpr unsigned MOST_ATTEMPTS = 6;
/** Each of them took PassengerStartTimeout. */
constexpr unsigned MOST_LATE_ATTEMPTS = 2;

}  // namespace

void Versions::deploy(SpawnerPointer spawner, QueueGenerationPtr queue, MonotonicTime now) {
    drop();
    failure_.reset();
    spawner_->filesChanged();
    deployment_ = Deployment{++last_, std::move(spawner), std::move(queue), now};
}

void Versions::replace(SpawnerPointer spawner) {
    drop();
    failure_.reset();
    cancel(std::exchange(spawner_, std::move(spawner)));
    current_ = ++last_;
    begun_.reset();
}

QueueGenerationPtr Versions::adopt() {
    Deployment deployment = std::move(*deployment_);
    deployment_.reset();
    cancel(std::exchange(spawner_, std::move(deployment.spawner)));
    current_ = deployment.version;
    begun_ = deployment.begun;
    return deployment.queue;
}

bool Versions::postpone(const GetFailure &failure) noexcept {
    if (!failure.report || !(failure.report->mayPass || failure.report->late)) {
        return false;
    }
    deployment_->started = false;
    return ++deployment_->failures < (failure.report->late ? MOST_LATE_ATTEMPTS : MOST_ATTEMPTS);
}

void Versions::fail(const GetFailure &failure, bool resists, std::string_view action) {
    Log::error("event=deploy.failed app=\"{}\" report={} action=\"{}\"", app_, failure.reportId(), action);
    if (!resists) {
        adopt();
        return;
    }
    failure_ = failure;
    drop();
}

void Versions::assumeFailed() {
    failure_ = {GetFailure::Reason::SPAWN_FAILED, "the deployment of the last version failed"};
    spawner_->filesChanged();
}

void Versions::drop() {
    if (deployment_) {
        cancel(std::move(deployment_->spawner));
        deployment_.reset();
    }
}

void Versions::shutDown() {
    if (spawner_) {
        cancel(std::move(spawner_));
    }
    drop();
}

/** Also ends the Spawner in a background thread, if this is its last owner. While none can be
 *  started, it waits for the next one. */
void Versions::cancel(SpawnerPointer spawner) {
    spawner->cancel();
    try {
        threads_.endInThread(std::move(spawner));
    } catch (const std::exception &error) {
        Log::error("event=spawner.not_ended app=\"{}\" error=\"{}\"", app_, error.what());
    }
}

}  // namespace Passenger
