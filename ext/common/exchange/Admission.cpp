#include "exchange/Admission.h"

#include <algorithm>
#include <limits>

#include "exchange/FairShare.h"

namespace Passenger {

using std::chrono::milliseconds;

namespace {

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

/** One request of low priority in a while counts as one of normal priority. */
std::optional<Admission::Refusal> Admission::refusal() {
    std::optional<Refusal> refusal = refusalAs(options_.request.priority);
    if (refusal && options_.request.priority == Priority::LOW && !refusalAs(Priority::NORMAL) &&
        delay_.takeTurn(now_)) {
        return std::nullopt;
    }
    return refusal;
}

/** Those of high priority would fill the queue, or hold the wait beyond the target, for ever. A key
 *  has one such request. */
bool Admission::keepsItsPart(Priority priority) const noexcept {
    return priority == Priority::NORMAL && load_.waits() && load_.ofKey <= 1 && load_.leavesMostToHigh();
}

std::optional<Admission::Refusal> Admission::refusalAs(Priority priority) {
    const AdmissionLimits limits = AdmissionLimits::of(options_, priority, load_.httpd.maxStreams);
    const bool keepsPart = keepsItsPart(priority);
    if (load_.waits() && limits.size > 0 && waiting() > limits.size && !keepsPart) {
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
                           std::to_string(load_.ofKey - 1) +
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
unsigned Admission::heldByKey() const noexcept {
    return load_.waits() ? std::min(load_.ofKey, waiting()) : load_.ofKey;
}

bool Admission::keyHasItsShare(const AdmissionLimits &limits) const noexcept {
    if (load_.ofKey == 0) {
        return false;
    }
    unsigned free = std::numeric_limits<unsigned>::max();
    if (load_.waits() && limits.size > 0) {
        free = limits.size - waiting();
    }
    if (sharesPlaces(limits, load_) && limits.inFlight > 0) {
        free = std::min(free, static_cast<unsigned>(limits.inFlight - load_.threads()));
    }
    if (limits.streams > 0) {
        free = std::min(free, limits.streams - load_.httpd.streams);
    }
    return !isFair(heldByKey(), free);
}

/** The key's requests count twice: so they leave as much of the target to others as they take. */
std::optional<Admission::Refusal> Admission::refusalForDelay(const AdmissionLimits &limits, Priority priority) {
    const unsigned others = std::max(heldByKey(), 1U) - 1;
    if (mayWait(others, limits.target)) {
        return std::nullopt;
    }
    const bool overShare = others > 0 && mayWait(0, limits.target);
    return Refusal{"the application is overloaded" + ofPriority(priority) + ": requests wait for longer than " +
                       std::to_string(limits.target.count()) + " ms, its PassengerQueueTarget" +
                       (priority == Priority::NORMAL ? "" : " with PassengerPriority") +
                       (overShare ? ", and the request's PassengerFairnessKey has its share: " +
                                        std::to_string(load_.ofKey - 1) + " of its requests wait or run"
                                  : ""),
                   overShare};
}

bool Admission::mayWait(unsigned ofKeyBesides, milliseconds within) noexcept {
    const milliseconds target = options_.queueTarget;
    if (target == milliseconds(0)) {
        return true;
    }
    // In a pause no answer and a long wait show nothing.
    if (load_.paused || !load_.waits()) {
        delay_.idle();
        return true;
    }
    // The senders of all requests in work may have left: the instances serve even then.
    const unsigned capacity = std::max(load_.capacity, unsigned{load_.serves});
    return delay_.mayWait({waiting(), capacity, load_.answers, load_.service, ofKeyBesides}, target, within, now_);
}

}  // namespace Passenger
