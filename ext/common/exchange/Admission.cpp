#include "exchange/Admission.h"

#include <algorithm>
#include <limits>

#include "exchange/FairShare.h"

namespace Passenger {

using std::chrono::milliseconds;

namespace {

/** Requests that are not of high priority may be such a part of those in flight. */
constexpr unsigned NORMAL_PART_DIVISOR = 5;

unsigned waitingOf(const Admission::Load &load, const Admission::Figures &figures) {
    return load.inFlight <= load.capacity
               ? 0
               : load.inFlight - std::min(load.inFlight, std::max(load.capacity, figures.atWork()));
}

template <typename Figure>
const Figure &once(std::optional<Figure> &kept, const Admission::Figures &figures,
                   Figure (Admission::Figures::*read)() const) {
    if (!kept) {
        kept = (figures.*read)();
    }
    return *kept;
}

std::string ofPriority(Priority priority) {
    return priority == Priority::NORMAL ? "" : std::string(" for requests of ") + nameOf(priority) + " priority";
}

std::string shareOf(const char *threads, Priority priority) {
    return std::string("the application holds its share of ") + threads + ofPriority(priority) + ": ";
}

std::string sevenEighths(const char *all, Priority priority) {
    return priority == Priority::LOW
               ? std::string(", half of seven eighths of ") + all
               : std::string(", seven eighths of ") + all + "; the other threads are for other applications";
}

}  // namespace

Admission::Admission(const Options &options, const Load &load, const Figures &figures, QueueDelay &delay,
                     MonotonicTime now)
    : options_(options), load_(load), figures_(figures), delay_(delay), now_(now), waiting_(waitingOf(load, figures)) {}

unsigned Admission::ofKey() {
    return once(ofKey_, figures_, &Figures::ofKey);
}

/** One request of low priority in a while counts as one of normal priority. */
std::optional<Admission::Refusal> Admission::refusal() {
    std::optional<Refusal> refusal = refusalAs(options_.request.priority);
    if (refusal && options_.request.priority == Priority::LOW && !refusalAs(Priority::NORMAL) &&
        delay_.takeTurn(now_)) {
        return std::nullopt;
    }
    return refusal;
}

/** This request is alone with others of high priority, or its like are a small part of the requests
 *  in flight. Those that run count like those that wait. */
bool Admission::leavesMostToHigh() {
    const unsigned high = once(high_, figures_, &Figures::high);
    return load_.inFlight - std::min(high, load_.inFlight) <= std::max(load_.inFlight / NORMAL_PART_DIVISOR, 1U);
}

/** Without this part, requests of high priority could fill the queue, or hold the wait beyond the
 *  target, for ever. Each FairnessKey has at most one request in it. */
bool Admission::keepsItsPart(Priority priority) {
    return priority == Priority::NORMAL && waits() && ofKey() <= 1 && leavesMostToHigh();
}

std::optional<Admission::Refusal> Admission::refusalAs(Priority priority) {
    const AdmissionLimits limits = AdmissionLimits::of(options_, priority, load_.httpd.maxStreams);
    const bool keepsPart = keepsItsPart(priority);
    if (waits() && limits.size > 0 && waiting_ > limits.size && !keepsPart) {
        return Refusal{"the application's request queue is full" + ofPriority(priority) + ": " +
                       std::to_string(limits.size) + " requests wait in it, the limit of PassengerMaxRequestQueueSize" +
                       (priority == Priority::NORMAL ? "" : " and PassengerPriority")};
    }
    // Instances that could take as many requests as httpd has threads would leave others none.
    if (limits.inFlight > 0 && load_.threads() > limits.inFlight) {
        return Refusal{shareOf("httpd's threads", priority) + held(limits) +
                       sevenEighths("MaxRequestWorkers", priority)};
    }
    if (limits.streams > 0 && load_.httpd.streams > limits.streams) {
        return Refusal{shareOf("mod_http2's threads", priority) + std::to_string(limits.streams) + " requests" +
                       sevenEighths("H2MaxWorkers of all httpd processes", priority)};
    }
    if (keyHasItsShare(limits)) {
        return Refusal{"the request's PassengerFairnessKey has its share" + ofPriority(priority) + ": " +
                           std::to_string(ofKey() - 1) +
                           " of its requests wait or run, and no more places than that are free for others",
                       true};
    }
    return keepsPart ? std::nullopt : refusalForDelay(limits, priority);
}

/** The share of the threads, and the relayed connections in it. */
std::string Admission::held(const AdmissionLimits &limits) const {
    const std::string all = std::to_string(limits.inFlight);
    return load_.httpd.connections == 0
               ? all + " requests"
               : all + " requests and relayed connections, " + std::to_string(load_.httpd.connections) +
                     " of them connections (WebSockets, event streams, HTTP/2)";
}

/** Requests that run count for the key like those that wait, since no process knows which of them
 *  run. But the key holds no more places in the queue than are taken. */
unsigned Admission::heldByKey() {
    return waits() ? std::min(ofKey(), waiting_) : ofKey();
}

/** Whether another application or another key may need the places that the key's requests hold. */
bool Admission::sharesPlaces(const AdmissionLimits &limits) const noexcept {
    return waits() || (limits.inFlight > 0 && load_.mostThreads() > limits.inFlight) ||
           (limits.streams > 0 && load_.capacity > limits.streams);
}

bool Admission::keyHasItsShare(const AdmissionLimits &limits) {
    if (!sharesPlaces(limits) || ofKey() == 0) {
        return false;
    }
    unsigned free = std::numeric_limits<unsigned>::max();
    if (waits() && limits.size > 0) {
        free = limits.size - waiting_;
    }
    if (limits.inFlight > 0) {
        free = std::min(free, static_cast<unsigned>(limits.inFlight - load_.threads()));
    }
    if (limits.streams > 0) {
        free = std::min(free, limits.streams - load_.httpd.streams);
    }
    return !isFair(heldByKey(), free);
}

/** The key's requests count twice: so they leave as much of the target to others as they take. */
std::optional<Admission::Refusal> Admission::refusalForDelay(const AdmissionLimits &limits, Priority priority) {
    if (options_.queueTarget == milliseconds(0)) {
        return std::nullopt;
    }
    // In a pause no answer and a long wait show nothing.
    if (load_.paused || !waits()) {
        delay_.idle();
        return std::nullopt;
    }
    const unsigned others = std::max(heldByKey(), 1U) - 1;
    if (mayWait(others, limits.target)) {
        return std::nullopt;
    }
    const bool overShare = others > 0 && mayWait(0, limits.target);
    return Refusal{"the application is overloaded" + ofPriority(priority) + ": requests wait for longer than " +
                       std::to_string(limits.target.count()) + " ms, its PassengerQueueTarget" +
                       (priority == Priority::NORMAL ? "" : " with PassengerPriority") +
                       (overShare ? ", and the request's PassengerFairnessKey has its share: " +
                                        std::to_string(ofKey() - 1) + " of its requests wait or run"
                                  : ""),
                   overShare};
}

bool Admission::mayWait(unsigned ofKeyBesides, milliseconds within) {
    // The senders of all requests in work may have left: the instances serve even then.
    const unsigned capacity = std::max(load_.capacity, unsigned{load_.serves});
    const Figures::Answers &answers = once(answers_, figures_, &Figures::answers);
    return delay_.mayWait({waiting_, capacity, answers.count, answers.service, ofKeyBesides}, options_.queueTarget,
                          within, now_);
}

}  // namespace Passenger
