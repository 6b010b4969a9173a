#include "policy/RoomPolicy.h"

namespace Passenger {

namespace {

/**
 * The least time of service of a busy application's instance. Without it a full pool would only
 * start instances.
 */
constexpr std::chrono::seconds TENURE{1};
/** After this time a request has waited too long for an instance that is to end. */
constexpr std::chrono::seconds LONGEST_WAIT{3};

bool overMinimum(const RoomCandidate &candidate) {
    return candidate.idle && !candidate.oldestWaiter && candidate.serving > candidate.minInstances;
}

bool idle(const RoomCandidate &candidate) {
    return candidate.idle && !candidate.oldestWaiter;
}

/** Whether the candidate has to give up an instance although it is busy. */
bool owes(const RoomCandidate &candidate, const RoomRequest &request, MonotonicTime now) {
    if (!request.oldestWaiter || candidate.serving == 0 || now - candidate.servingSince < TENURE) {
        return false;
    }
    if (candidate.serving >= request.serving + 2) {
        return true;
    }
    return request.serving == 0 &&
           (candidate.onlyWaits || !candidate.oldestWaiter || *candidate.oldestWaiter > *request.oldestWaiter);
}

/** The first of the fitting candidates in the order of `before`. */
template <typename Fits, typename Before>
std::optional<std::size_t> first(const std::vector<RoomCandidate> &candidates, Fits fits, Before before) {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < candidates.size(); i++) {
        if (fits(candidates[i]) && (!best || before(candidates[i], candidates[*best]))) {
            best = i;
        }
    }
    return best;
}

/** `fits`, for candidates that are irreplaceable or for those that are not. */
template <typename Fits> auto thatAre(bool irreplaceable, Fits fits) {
    return [=](const RoomCandidate &candidate) { return candidate.irreplaceable == irreplaceable && fits(candidate); };
}

bool neededLess(const RoomCandidate &a, const RoomCandidate &b) {
    return a.lastNeeded < b.lastNeeded;
}

/** Of the candidates that are irreplaceable, or of those that are not. */
std::optional<std::size_t> chooseVictim(const RoomRequest &request, const std::vector<RoomCandidate> &candidates,
                                        MonotonicTime now, bool irreplaceable) {
    const auto those = [irreplaceable](auto fits) { return thatAre(irreplaceable, fits); };
    if (const auto found = first(candidates, those(overMinimum), neededLess)) {
        return found;
    }
    if (request.serving == 0 && request.oldestWaiter) {
        if (const auto found = first(candidates, those(idle), neededLess)) {
            return found;
        }
    }
    if (request.onlyIdle) {
        return std::nullopt;
    }
    return first(candidates, those([&](const RoomCandidate &candidate) { return owes(candidate, request, now); }),
                 [](const RoomCandidate &a, const RoomCandidate &b) {
                     return a.serving != b.serving ? a.serving > b.serving : a.servingSince < b.servingSince;
                 });
}

std::optional<std::size_t> chooseSurplus(const std::vector<RoomCandidate> &candidates, bool irreplaceable) {
    const auto those = [irreplaceable](auto fits) { return thatAre(irreplaceable, fits); };
    const auto found = first(candidates, those(overMinimum), neededLess);
    return found ? found : first(candidates, those(idle), neededLess);
}

}  // namespace

std::optional<std::size_t> chooseVictim(const RoomRequest &request, const std::vector<RoomCandidate> &candidates,
                                        MonotonicTime now) {
    if (!request.oldestWaiter && request.serving >= request.minInstances) {
        return std::nullopt;
    }
    const auto found = chooseVictim(request, candidates, now, false);
    // An irreplaceable instance ends for requests only. One that is to end may be enough, but may
    // only wait, for a minute.
    const bool mayTakeAny = request.oldestWaiter && (!request.onlyIdle || now - *request.oldestWaiter >= LONGEST_WAIT);
    return found || !mayTakeAny ? found : chooseVictim(request, candidates, now, true);
}

std::optional<std::size_t> chooseSurplus(const std::vector<RoomCandidate> &candidates) {
    const auto found = chooseSurplus(candidates, false);
    return found ? found : chooseSurplus(candidates, true);
}

}  // namespace Passenger
