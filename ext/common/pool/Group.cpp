// Group: what a request needs to get into the queue.

#include "pool/Group.h"

#include "base/Exceptions.h"
#include "exchange/QueueHost.h"
#include "io/RequestQueue.h"
#include "log/Log.h"
#include "pool/Pool.h"

namespace Passenger {

Group::Group(Pool &pool, PoolContext &context, const Options &options, std::uint32_t slot)
    : pool_(pool),
      context_(context),
      name_(options.groupName()),
      slot_(slot),
      options_(options),
      queue_(slot, name_, context.channels, context.store),
      instances_(context, queue_),
      hangs_(name_, options_, queue_, instances_),
      restartFiles_(options.appRoot, options.restartDir),
      spawner_(context.factory.create(options)) {}

Group::~Group() = default;

/** Whether the application did not start lately, and it is too early to try again. */
bool Group::failsAtOnce(MonotonicTime now) const {
    return failure_ && instances_.serving() == 0 && starting_ == 0 && !backoff_.mayTry(now);
}

Attachment Group::attach(const Options &options, Generation unusable) {
    const MonotonicTime now = context_.clock.now();
    const bool tooLate = !queue_.current() && unusable && unusable == failedGeneration_;
    if (failure_ && (tooLate || failsAtOnce(now))) {
        throw RefusedException(failure_->status(), failure_->reportId(), failure_->summary);
    }
    options_ = options;
    used_ = true;
    const QueueGenerationPtr current = queue_.current();
    if (current && unusable == current->number && RequestQueue::closed(current->queue.sendingEnd().get())) {
        Log::error("event=queue.broken app=\"{}\" generation={}", name_, unusable.value());
        closeQueue();
        // The new one is there at once, and requests wait in it; instances come ever later.
        backoff_.queueBroke(now);
    }
    if (!queue_.current()) {
        newQueue();
    }
    expecting_ = instances_.serving() == 0 ? std::optional(now) : std::nullopt;
    rescale();
    Attachment attachment = queue_.attachment();
    if (options.stickySessions && options.stickyId != 0) {
        attachment.ownQueue = instances_.ownQueue(options.stickyId);
    }
    return attachment;
}

}  // namespace Passenger
