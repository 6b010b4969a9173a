#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/Clock.h"
#include "exchange/AdmissionLimits.h"
#include "exchange/HttpdThreads.h"
#include "exchange/Options.h"
#include "exchange/QueueDelay.h"

namespace Passenger {

/**
 * Decides whether a request gets a place among those that its application has in flight. It looks
 * at the limits of the queue (PassengerMaxRequestQueueSize), the share of httpd's threads, the
 * share of the request's FairnessKey, and the delay of the queue (PassengerQueueTarget).
 *
 * Made for one decision, in the thread of the request.
 */
class Admission {
public:
    /** What is known of the application when the request comes. The counts of requests are those of
     *  all sending processes. */
    struct Load {
        /** Requests in flight, this one included. */
        unsigned inFlight = 0;
        /** Requests that the serving instances can run at once, beside those whose senders have
         *  left. */
        unsigned capacity = 0;
        /** Requests in flight of this one's FairnessKey, this one included; 0: it has none. */
        unsigned ofKey = 0;
        /** Answers so far, and the time that they took: QueueDelay::Load. Needed where requests
         *  wait and Options::queueTarget is set. */
        std::uint64_t answers = 0;
        std::chrono::microseconds service{0};
        HttpdThreads httpd{};
        /** Requests in flight that instances work at, also those instances that are to end. The
         *  instances claim so; the caller believes no more than there are places. Needed where more
         *  requests are in flight than the capacity. */
        unsigned atWork = 0;
        /** An instance has started. */
        bool serves = false;
        /** The instances take no request until they are told to. */
        bool paused = false;
        /** Requests of high priority in flight. Needed where this one waits and is not one of
         *  them. */
        unsigned high = 0;

        bool exceedsCapacity() const noexcept { return inFlight > capacity; }
        /** Requests that wait, this one included. Those that free threads are about to take count
         *  if instances that are to end work at others. */
        unsigned waiting() const noexcept {
            const unsigned places = std::max(capacity, atWork);
            return inFlight > places ? inFlight - places : 0;
        }
        bool waits() const noexcept { return waiting() > 0; }
        /** This request is alone with others of high priority, or its like are a fifth of the
         *  requests in flight at most. Those that run count like those that wait. */
        bool leavesMostToHigh() const noexcept {
            return inFlight - std::min(high, inFlight) <= std::max(inFlight / FIFTH, 1U);
        }
        /** Threads of the MPM that the application holds. */
        std::uint64_t threads() const noexcept { return httpd.held(inFlight); }
        /** The threads of the MPM that the application may hold when all instances are taken. */
        std::uint64_t mostThreads() const noexcept { return httpd.most(capacity); }
    };

    struct Refusal {
        /** For people. */
        std::string reason;
        /** The key has its share; a request of another key might have got a place. */
        bool overShare = false;
    };

    Admission(const Options &options, const Load &load, QueueDelay &delay, MonotonicTime now) noexcept
        : options_(options), load_(load), delay_(delay), now_(now) {}

    /** Whether the key's count matters for this load. Reading it costs more than the rest. */
    static bool sharesPlaces(const AdmissionLimits &limits, const Load &load) noexcept {
        return load.waits() || (limits.inFlight > 0 && load.mostThreads() > limits.inFlight) ||
               (limits.streams > 0 && load.capacity > limits.streams);
    }

    /** Nothing: the request has its place. */
    std::optional<Refusal> refusal();

private:
    static constexpr unsigned FIFTH = 5;

    bool keepsItsPart(Priority priority) const noexcept;
    std::optional<Refusal> refusalAs(Priority priority);
    bool keyHasItsShare(const AdmissionLimits &limits) const noexcept;
    std::string held(const AdmissionLimits &limits) const;
    std::optional<Refusal> refusalForDelay(const AdmissionLimits &limits, Priority priority);
    bool mayWait(unsigned ofKeyBesides, std::chrono::milliseconds within) noexcept;
    unsigned waiting() const noexcept { return load_.waiting(); }
    unsigned heldByKey() const noexcept;

    const Options &options_;
    const Load load_;
    QueueDelay &delay_;
    const MonotonicTime now_;
};

}  // namespace Passenger
