#include "exchange/InFlightRecord.h"

#include <string>

namespace Passenger {

void InFlightRecord::add(const QueueLink &link, const ReplyChannel &channel, Ticket ticket, const RequestLabel &label,
                         const ExchangeTimes &times) {
    childSlot_ = host_.childSlot();
    entry_ = channel.inFlightEntry();
    inFlight_ = link.memory->senders.add(childSlot_, host_.generations().childSlots());
    counted_ = true;
    try {
        admit(link, times);
    } catch (const QueueFullException &) {
        remove(link);
        throw;
    }
    host_.inFlightTable().describe(entry_, ticket, label);
    host_.inFlightTable().sending(entry_, channel.id(), ticket, link.groupSlot, times.waitingSince());
}

/**
 * The count is a sum over children that take no lock. The error of the sum is at most the number of
 * requests that begin or end at this moment. At most this number is wrongly admitted or refused.
 */
void InFlightRecord::admit(const QueueLink &link, const ExchangeTimes &times) {
    if (!admitted_) {
        const QueueLimits &limits = times.limits();
        const std::uint32_t capacity = host_.generations().capacity(link.groupSlot);
        const auto reason = [&](Priority priority) {
            return reasonToRefuse(link, capacity, limits, priority, times.now());
        };
        const std::string refusal = reason(limits.priority);
        const bool passes = refusal.empty() || (limits.priority == Priority::LOW && reason(Priority::NORMAL).empty() &&
                                                host_.queueDelay().takeTurn(times.now()));
        if (!passes) {
            throw QueueFullException(refusal);
        }
    }
    admitted_ = true;
}

/** Empty: the request may wait, or need not. */
std::string InFlightRecord::reasonToRefuse(const QueueLink &link, std::uint32_t capacity, const QueueLimits &all,
                                           Priority priority, MonotonicTime now) const {
    const QueueLimits limits = all.forPriority(priority);
    const auto whose = [priority]() -> std::string {
        return priority == Priority::NORMAL ? "" : std::string(" for requests of ") + nameOf(priority) + " priority";
    };
    const bool waits = inFlight_ > capacity;
    if (waits && limits.size > 0 && inFlight_ - capacity > limits.size) {
        return "the application's request queue is full" + whose() + ": " + std::to_string(limits.size) +
               " requests wait in it, the limit of PassengerMaxRequestQueueSize" +
               (priority == Priority::NORMAL ? "" : " and PassengerPriority");
    }
    // Instances that could take as many requests as httpd has threads would leave others none.
    if ((waits || capacity > limits.inFlight) && limits.inFlight > 0 && inFlight_ > limits.inFlight) {
        return "the application holds its share of httpd's threads" + whose() + ": " + std::to_string(limits.inFlight) +
               (priority == Priority::LOW
                    ? " requests, half of seven eighths of MaxRequestWorkers"
                    : " requests, seven eighths of MaxRequestWorkers; the other threads are for other applications");
    }
    if (!mayWait(link, capacity, all.target, limits.target, now)) {
        return "the application is overloaded" + whose() + ": requests wait for longer than " +
               std::to_string(limits.target.count()) + " ms, its PassengerQueueTarget" +
               (priority == Priority::NORMAL ? "" : " with PassengerPriority");
    }
    return "";
}

bool InFlightRecord::mayWait(const QueueLink &link, std::uint32_t capacity, std::chrono::milliseconds target,
                             std::chrono::milliseconds within, MonotonicTime now) const noexcept {
    if (target == std::chrono::milliseconds(0)) {
        return true;
    }
    if (inFlight_ <= capacity) {
        host_.queueDelay().idle();
        return true;
    }
    const std::uint32_t children = host_.generations().childSlots();
    const SenderMemoryView &senders = link.memory->senders;
    return host_.queueDelay().mayWait(
        {inFlight_ - capacity, capacity, senders.completed(children), senders.serviceTime(children)}, target, within,
        now);
}

void InFlightRecord::tellWaited(std::chrono::nanoseconds time) noexcept {
    if (const auto target = host_.limits().target; target > std::chrono::milliseconds(0)) {
        host_.queueDelay().waited(time, target, host_.clock().now());
    }
}

void InFlightRecord::sent(const QueueLink &link) noexcept {
    host_.inFlightTable().sent(entry_);
    // The capacity is read again: it may have fallen, and the agent did not see this request when
    // it looked.
    if (inFlight_ > host_.generations().capacity(link.groupSlot) && link.memory->senders.askForMore()) {
        host_.wakeAgent();
    }
}

void InFlightRecord::remove(const QueueLink &link) noexcept {
    if (counted_) {
        counted_ = false;
        host_.inFlightTable().done(entry_);
        link.memory->senders.remove(childSlot_);
    }
}

void InFlightRecord::countCompleted(const QueueLink &link, const ExchangeTimes &times) noexcept {
    const ExchangeTimes::Durations durations = times.durations();
    link.memory->senders.completed(childSlot_, durations.queue, durations.service);
    tellWaited(durations.queue);
}

void InFlightRecord::countRefused(const QueueLink &link) noexcept {
    link.memory->senders.refused(childSlot_);
}

void InFlightRecord::countTimedOut(const QueueLink &link, std::chrono::nanoseconds waited) noexcept {
    link.memory->senders.timedOut(childSlot_, waited);
    tellWaited(waited);
}

void InFlightRecord::countLeft(const QueueLink &link, std::chrono::nanoseconds waited) noexcept {
    link.memory->senders.left(childSlot_, waited);
    tellWaited(waited);
}

}  // namespace Passenger
