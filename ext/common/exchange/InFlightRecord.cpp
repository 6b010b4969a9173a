#include "exchange/InFlightRecord.h"

#include <algorithm>

namespace Passenger {

using std::chrono::milliseconds;

namespace {

/** Requests of high priority are counted as if they had this FairnessKey. */
constexpr FairnessKey HIGH(0);

/** The counts that all children share. They are sums over children that take no lock. The error of
 *  a sum is at most the number of requests that begin or end at this moment. At most this number is
 *  wrongly admitted or refused. */
class SharedFigures final : public Admission::Figures {
public:
    SharedFigures(const GenerationTableView &generations, const QueueLink &link,
                  const std::optional<FairnessKey> &key) noexcept
        : generations_(generations), link_(link), key_(key) {}

    unsigned atWork() const override {
        const InstanceCounts instances = generations_.instances(link_.groupSlot);
        const unsigned taken = std::min(link_.memory->claims.taken(), instances.places);
        return taken - std::min(taken, instances.abandoned);
    }
    unsigned ofKey() const override { return key_ ? senders().inFlight(*key_, generations_.childSlots()) : 0; }
    unsigned high() const override { return senders().inFlight(HIGH, generations_.childSlots()); }
    Answers answers() const override {
        return {senders().completed(generations_.childSlots()), senders().serviceTime(generations_.childSlots())};
    }

private:
    const SenderMemoryView &senders() const noexcept { return link_.memory->senders; }

    const GenerationTableView &generations_;
    const QueueLink &link_;
    const std::optional<FairnessKey> &key_;
};

}  // namespace

void InFlightRecord::add(const QueueLink &link, const ReplyChannel &channel, Ticket ticket,
                         const MessageRequest &request, const ExchangeTimes &times) {
    childSlot_ = host_.childSlot();
    entry_ = channel.inFlightEntry();
    overShare_ = false;
    key_.reset();
    if (request.fairnessHash) {
        key_.emplace(request.fairnessHash(host_.generations().secret()));
        link.memory->senders.add(childSlot_, *key_);
    }
    if (options_.request.priority == Priority::HIGH) {
        link.memory->senders.add(childSlot_, HIGH);
    }
    inFlight_ = link.memory->senders.add(childSlot_, host_.generations().childSlots());
    counted_ = true;
    waitingSince_ = times.waitingSince();
    if (!admitted_) {
        if (const std::optional<Admission::Refusal> refusal = whetherRefused(link, request, times)) {
            remove(link);
            overShare_ = refusal->overShare;
            throw QueueFullException(refusal->reason);
        }
        admitted_ = true;
    }
    host_.inFlightTable().describe(entry_, ticket, request.label);
    host_.inFlightTable().sending(entry_, channel.id(), ticket, link.groupSlot, times.waitingSince());
}

std::optional<Admission::Refusal> InFlightRecord::whetherRefused(const QueueLink &link, const MessageRequest &request,
                                                                 const ExchangeTimes &times) const {
    Admission::Load load;
    load.inFlight = inFlight_;
    const InstanceCounts instances = host_.generations().instances(link.groupSlot);
    load.capacity = instances.capacity;
    load.serves = instances.serving > 0;
    load.paused = times.now() < host_.generations().pausedUntil(link.groupSlot);
    // Read after the requests in flight: a request counts there until its connection counts here.
    if (options_.request.maxInFlight > 0 && request.threads) {
        load.httpd = request.threads();
    }
    const SharedFigures figures(host_.generations(), link, key_);
    return Admission(options_, load, figures, host_.queueDelay(), times.now()).refusal();
}

/** The short wait of a request that overtakes others does not show that theirs are short. Nor does
 *  a wait for the end of a pause show an overload. */
void InFlightRecord::tellWaited(const QueueLink &link, std::chrono::nanoseconds time) noexcept {
    const milliseconds target = options_.queueTarget;
    if (target > milliseconds(0) && !(options_.overtakes() && time <= target) &&
        waitingSince_ >= host_.generations().pausedUntil(link.groupSlot)) {
        host_.queueDelay().waited(time, target, host_.clock().now());
    }
}

void InFlightRecord::sent(const QueueLink &link) noexcept {
    host_.inFlightTable().sent(entry_);
    // The capacity is read again: it may have fallen, and the agent did not see this request when
    // it looked.
    const unsigned capacity = host_.generations().instances(link.groupSlot).capacity;
    if (inFlight_ > capacity && link.memory->senders.askForMore()) {
        host_.wakeAgent();
    }
    host_.awaitsAnswer(inFlight_, capacity);
}

void InFlightRecord::remove(const QueueLink &link) noexcept {
    if (counted_) {
        counted_ = false;
        host_.inFlightTable().done(entry_);
        link.memory->senders.remove(childSlot_);
        if (key_) {
            link.memory->senders.remove(childSlot_, *key_);
        }
        if (options_.request.priority == Priority::HIGH) {
            link.memory->senders.remove(childSlot_, HIGH);
        }
    }
}

void InFlightRecord::countCompleted(const QueueLink &link, const ExchangeTimes &times) noexcept {
    const ExchangeTimes::Durations durations = times.durations();
    link.memory->senders.completed(childSlot_, durations.queue, durations.service);
    tellWaited(link, durations.queue);
}

/** With a target the queue never gets long enough to show that instances are missing: the agent
 *  learns that from the refusals. */
void InFlightRecord::countRefused(const QueueLink &link) noexcept {
    if (overShare_) {
        link.memory->senders.overShare(childSlot_);
    } else {
        link.memory->senders.refused(childSlot_);
    }
    if (options_.queueTarget > milliseconds(0) && link.memory->senders.askForMore()) {
        host_.wakeAgent();
    }
}

void InFlightRecord::countTimedOut(const QueueLink &link, std::chrono::nanoseconds waited) noexcept {
    link.memory->senders.timedOut(childSlot_, waited);
    tellWaited(link, waited);
}

void InFlightRecord::countLeft(const QueueLink &link, std::chrono::nanoseconds waited) noexcept {
    link.memory->senders.left(childSlot_, waited);
    tellWaited(link, waited);
}

void InFlightRecord::countLost(const QueueLink &link) noexcept {
    link.memory->senders.lost(childSlot_);
}

void InFlightRecord::countOverran(const QueueLink &link) noexcept {
    link.memory->senders.overran(childSlot_);
}

void InFlightRecord::countNotStarted(const QueueLink &link) noexcept {
    link.memory->senders.notStarted(childSlot_);
}

}  // namespace Passenger
