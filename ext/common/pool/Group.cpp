// Group: requests, from asking for an instance to the session's end.

#include "pool/Group.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "exchange/QueueHost.h"
#include "io/RequestQueue.h"
#include "log/Log.h"
#include "pool/MemorySession.h"
#include "pool/Pool.h"

namespace Passenger {

namespace {

/** The sending end of this instance's own queue; none: it does not serve, or takes nothing from one. */
FileDescriptor ownQueueOf(const std::vector<ProcessPtr> &processes, std::uint32_t stickyId) {
    for (const ProcessPtr &process : processes) {
        if (process->stickyId() == stickyId && process->state == Process::State::SERVING && process->ownQueue &&
            !RequestQueue::closed(process->ownQueue->sendingEnd().get())) {
            return process->ownQueue->sendingEnd().duplicate();
        }
    }
    return FileDescriptor();
}

}  // namespace

Group::Group(Pool &pool, PoolContext &context, const Options &options, std::uint32_t slot)
    : pool_(pool),
      context_(context),
      name_(options.groupName()),
      slot_(slot),
      options_(options),
      restartFiles_(options.appRoot, options.restartDir),
      spawner_(context.factory.create(options)) {
    if (context.factory.instancesPull(options)) {
        queue_.emplace(slot, name_, context.channels, context.store);
    }
}

Group::~Group() = default;

// ----- Asking

SessionPtr Group::tryOpen(const Options &options) {
    if (queue_) {
        return nullptr;
    }
    // Nobody who waits could take what is free, or they would have.
    const ProcessPtr process = choose(options.stickyId);
    if (!process) {
        return nullptr;
    }
    used_ = true;
    const MonotonicTime now = context_.clock.now();
    SessionPtr session = open(process, now, now);
    peak_ = std::max(peak_, running_);
    return session;
}

std::uint64_t Group::wait(const Options &options, GetCallback callback, AfterUnlock &after) {
    const MonotonicTime now = context_.clock.now();
    Waiter waiter{++context_.lastWaiter, std::move(callback), now, std::nullopt, options.stickyId};
    if (failsAtOnce(now)) {
        refuse(waiter, *failure_, after);
        return waiter.id;
    }
    if (options.maxQueueSize > 0 && waiters_.size() >= options.maxQueueSize) {
        counters_.refused++;
        refuse(waiter,
               GetFailure{GetFailure::Reason::QUEUE_FULL,
                          fmt::format("{} requests wait for {} already, as many as PassengerMaxRequestQueueSize allows",
                                      waiters_.size(), name_)},
               after);
        return waiter.id;
    }
    if (options.maxQueueTime.count() > 0) {
        waiter.deadline = now + options.maxQueueTime;
    }
    options_ = options;
    used_ = true;
    const std::uint64_t id = waiter.id;
    waiters_.add(std::move(waiter));
    peak_ = std::max(peak_, inFlight());
    rescale();
    return id;
}

void Group::cancel(std::uint64_t id, AfterUnlock &after) {
    if (std::optional<Waiter> waiter = waiters_.remove(id)) {
        counters_.clientsLeft++;
        queueTime_.add(context_.clock.now() - waiter->since);
        refuse(*waiter, GetFailure{GetFailure::Reason::CLIENT_LEFT, "who asked has left"}, after);
        rescale();
    }
}

/** Whether the application did not start lately, and it is too early to try again. */
bool Group::failsAtOnce(MonotonicTime now) const {
    return failure_ && serving() == 0 && starting_ == 0 && !backoff_.mayTry(now);
}

void Group::refuse(Waiter &waiter, const GetFailure &failure, AfterUnlock &after) {
    after.push_back([callback = std::move(waiter.callback), failure] { callback(tl::make_unexpected(failure)); });
}

void Group::refuseWaiters(const GetFailure &failure, AfterUnlock &after) {
    for (Waiter &waiter : waiters_.removeAll()) {
        refuse(waiter, failure, after);
    }
}

void Group::refuseAll(const GetFailure &failure, AfterUnlock &after) {
    refuseWaiters(failure, after);
    if (queue_) {
        queue_->refuseWaiting(failure);
    }
}

Attachment Group::attach(const Options &options, Generation unusable) {
    const MonotonicTime now = context_.clock.now();
    const bool tooLate = !queue_->current() && unusable && unusable == failedGeneration_;
    if (failure_ && (tooLate || failsAtOnce(now))) {
        throw RefusedException(failure_->status(), failure_->reportId(), failure_->summary);
    }
    options_ = options;
    used_ = true;
    const QueueGenerationPtr current = queue_->current();
    if (current && unusable == current->number && RequestQueue::closed(current->queue.sendingEnd().get())) {
        Log::error("event=queue.broken app=\"{}\" generation={}", name_, unusable.value());
        closeQueue();
        // The new one is there at once, and requests wait in it; instances come ever later.
        backoff_.queueBroke(now);
    }
    if (!queue_->current()) {
        newQueue();
    }
    expecting_ = serving() == 0;
    rescale();
    Attachment attachment = queue_->attachment();
    if (options.stickySessions && options.stickyId != 0) {
        attachment.ownQueue = ownQueueOf(processes_, options.stickyId);
    }
    return attachment;
}

// ----- Giving

/** The least busy instance; of those, the one that was used last, so that surplus ones stay idle. Nothing: none is free, or not the one
 *  that is asked for. */
ProcessPtr Group::choose(std::uint32_t stickyId) const {
    const ProcessPtr *best = nullptr;
    for (const ProcessPtr &process : processes_) {
        if (process->state != Process::State::SERVING) {
            continue;
        }
        if (stickyId != 0 && process->stickyId() == stickyId) {
            return process->socket.full() ? nullptr : process;
        }
        if (!process->socket.full() &&
            (best == nullptr || process->socket.sessions < (*best)->socket.sessions ||
             (process->socket.sessions == (*best)->socket.sessions && process->lastUsed > (*best)->lastUsed))) {
            best = &process;
        }
    }
    return best != nullptr ? *best : nullptr;
}

/** An instance more is nothing to who waits for one that serves already. */
Waiters::Demand Group::demand() const {
    return waiters_.demand([this](std::uint32_t stickyId) REQUIRES(poolLock) {
        return std::any_of(processes_.begin(), processes_.end(), [&](const ProcessPtr &process) {
            return process->state == Process::State::SERVING && process->stickyId() == stickyId;
        });
    });
}

/** @param since when it was asked for */
SessionPtr Group::open(const ProcessPtr &process, MonotonicTime now, MonotonicTime since) {
    process->socket.sessions++;
    process->requests++;
    running_++;
    counters_.requests++;
    queueTime_.add(now - since);
    return std::make_unique<MemorySession>(pool_, *this, process, now);
}

/** First come, first served; only who wants a certain instance waits on while others pass. */
void Group::serveWaiters(AfterUnlock &after) {
    const MonotonicTime now = context_.clock.now();
    waiters_.offer([&](Waiter &waiter) REQUIRES(poolLock) -> std::optional<bool> {
        const ProcessPtr process = choose(waiter.stickyId);
        if (!process) {
            return waiter.stickyId != 0 ? std::optional(false) : std::nullopt;
        }
        // A std::function can be copied, a session cannot.
        auto session = std::make_shared<SessionPtr>(open(process, now, waiter.since));
        after.push_back([callback = std::move(waiter.callback), session] { callback(std::move(*session)); });
        return true;
    });
}

void Group::release(const ProcessPtr &process, MonotonicTime opened, AfterUnlock &after) {
    const MonotonicTime now = context_.clock.now();
    running_--;
    process->socket.sessions--;
    process->lastUsed = now;
    lastProgress_ = now;
    serviceTime_.add(now - opened);
    recent_.add(now - opened);
    if (process->state == Process::State::DRAINING && process->socket.sessions == 0 && process->pid() == 0) {
        ended(process, after);
        return;
    }
    if (options_.maxRequests > 0 && process->requests >= options_.maxRequests && process->replacementReason.empty()) {
        requestReplacement(*process, fmt::format("it has run {} requests (PassengerMaxRequests)", process->requests));
    }
    if (!waiters_.empty()) {
        serveWaiters(after);
        rescale();
    }
    pool_.roomMayHaveCome();
}

}  // namespace Passenger
