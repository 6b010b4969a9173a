#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "exchange/Admission.h"
#include "exchange/ExchangeTimes.h"
#include "exchange/MessageRequest.h"
#include "exchange/QueueHost.h"
#include "shm/FairnessKey.h"

namespace Passenger {

/**
 * Counts the request of an exchange as in flight, and notes it in this process's in-flight table.
 * Admits a request to the queue by that count (Admission). Counts in the Group's statistics how a
 * request ended.
 *
 * A part of an Exchange, with its thread rules. Host and options outlive it. The link that add()
 * gets stays the same until remove().
 */
class InFlightRecord {
public:
    InFlightRecord(QueueHost &host, const Options &options) : host_(host), options_(options) {}

    /** Adds the request, which is not in flight. @throws QueueFullException: the queue has reached
     *  its limit, and nothing was added */
    void add(const QueueLink &link, const ReplyChannel &channel, Ticket ticket, const MessageRequest &request,
             const ExchangeTimes &times);
    /** The request is in the queue, and this thread waits for its answer. Wakes the agent if all
     *  instances are taken. */
    void sent(const QueueLink &link) noexcept;
    void remove(const QueueLink &link) noexcept;

    bool counted() const noexcept { return counted_; }
    /** Whether no other request of the application was in flight when this one was added. */
    bool isAlone() const noexcept { return inFlight_ == 1; }
    /** The request was admitted, and keeps its place when it is sent again. */
    bool admitted() const noexcept { return admitted_; }

    void countCompleted(const QueueLink &link, const ExchangeTimes &times) noexcept;
    void countRefused(const QueueLink &link) noexcept;
    void countTimedOut(const QueueLink &link, std::chrono::nanoseconds waited) noexcept;
    void countLeft(const QueueLink &link, std::chrono::nanoseconds waited) noexcept;
    void countLost(const QueueLink &link) noexcept;
    void countOverran(const QueueLink &link) noexcept;
    void countNotStarted(const QueueLink &link) noexcept;

private:
    std::optional<Admission::Refusal> whetherRefused(const QueueLink &link, const MessageRequest &request,
                                                     const ExchangeTimes &times) const;
    void tellWaited(const QueueLink &link, std::chrono::nanoseconds time) noexcept;

    QueueHost &host_;
    const Options &options_;
    bool counted_ = false;
    /** The number of requests in flight when this one was added, in all children. */
    unsigned inFlight_ = 0;
    std::uint32_t childSlot_ = 0;
    std::uint32_t entry_ = 0;
    /** The key of the request in flight. */
    std::optional<FairnessKey> key_;
    bool admitted_ = false;
    MonotonicTime waitingSince_;
    /** The request was refused for its key. */
    bool overShare_ = false;
};

}  // namespace Passenger
