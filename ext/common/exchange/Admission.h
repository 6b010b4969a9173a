#pragma once

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
        HttpdThreads httpd{};
        /** An instance has started. */
        bool serves = false;
        /** The instances take no request until they are told to. */
        bool paused = false;

        std::uint64_t threads() const noexcept { return httpd.held(inFlight); }
        /** The threads of the MPM that the application may hold when all instances are taken. */
        std::uint64_t mostThreads() const noexcept { return httpd.most(capacity); }
    };

    /** Further counts of the application. To read them costs more than the rest of the decision. So
     *  each is read once at most, where the decision depends on it. */
    class Figures {
    public:
        struct Answers {
            std::uint64_t count = 0;
            std::chrono::microseconds service{0};
        };

        Figures() = default;
        virtual ~Figures() = default;
        Figures(const Figures &) = delete;
        Figures &operator=(const Figures &) = delete;

        /** Requests in flight that instances work at, also those instances that are to end. The
         *  instances claim so; the answer is no more than there are places. */
        virtual unsigned atWork() const = 0;
        /** Requests in flight of this one's FairnessKey, this one included; 0: it has none. */
        virtual unsigned ofKey() const = 0;
        /** Requests of high priority in flight. */
        virtual unsigned high() const = 0;
        /** Answers so far, and the time that they took: QueueDelay::Load. */
        virtual Answers answers() const = 0;
    };

    struct Refusal {
        /** For people. */
        std::string reason;
        /** The key has its share; a request of another key might have got a place. */
        bool overShare = false;
    };

    Admission(const Options &options, const Load &load, const Figures &figures, QueueDelay &delay, MonotonicTime now);

    /** Nothing: the request has its place. */
    std::optional<Refusal> refusal();

private:
    bool waits() const noexcept { return waiting_ > 0; }
    unsigned ofKey();
    unsigned heldByKey();
    bool leavesMostToHigh();
    bool keepsItsPart(Priority priority);
    std::optional<Refusal> refusalAs(Priority priority);
    bool sharesPlaces(const AdmissionLimits &limits) const noexcept;
    bool keyHasItsShare(const AdmissionLimits &limits);
    std::string held(const AdmissionLimits &limits) const;
    std::optional<Refusal> refusalForDelay(const AdmissionLimits &limits, Priority priority);
    bool mayWait(unsigned ofKeyBesides, std::chrono::milliseconds within);

    const Options &options_;
    const Load load_;
    const Figures &figures_;
    QueueDelay &delay_;
    const MonotonicTime now_;
    /** Requests that wait, this one included. Those that free threads are about to take count if
     *  instances that are to end work at others. */
    const unsigned waiting_;
    std::optional<unsigned> ofKey_;
    std::optional<unsigned> high_;
    std::optional<Figures::Answers> answers_;
};

}  // namespace Passenger
