#include "policy/SparePolicy.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace Passenger {

namespace {

unsigned difference(unsigned more, unsigned less) {
    return more > less ? more - less : 0;
}

class Mender {
public:
    void atLeast(const char *name, unsigned &value, unsigned least, const char *reason) {
        if (value < least) {
            change(name, value, least, reason);
        }
    }
    void atMost(const char *name, unsigned &value, unsigned most, const char *reason) {
        if (value > most) {
            change(name, value, most, reason);
        }
    }
    std::vector<std::string> sentences() && { return std::move(sentences_); }

private:
    void change(const char *name, unsigned &value, unsigned better, const char *reason) {
        sentences_.push_back(fmt::format("{} {} {}; {} is used", name, value, reason, better));
        value = better;
    }

    std::vector<std::string> sentences_;
};

}  // namespace

std::vector<std::string> normalize(SpareLimits &limits) {
    Mender mend;
    mend.atLeast("max_clients", limits.maxClients, 1, "would serve no client");
    mend.atLeast("start_servers", limits.start, 1, "would start no worker");
    mend.atMost("start_servers", limits.start, limits.maxClients, "is more than max_clients");
    mend.atLeast("min_spare_servers", limits.minSpare, 1, "would leave the next connection without a worker");
    mend.atMost("min_spare_servers", limits.minSpare, limits.maxClients, "is more than max_clients");
    mend.atLeast("max_spare_servers", limits.maxSpare, limits.minSpare, "is less than min_spare_servers");
    mend.atMost("max_spare_servers", limits.maxSpare, limits.maxClients, "is more than max_clients");
    return std::move(mend).sentences();
}

SpareDecision decideSpares(const SpareLimits &limits, const SpareCounts &counts) {
    const unsigned total = counts.free + counts.busy + counts.starting;
    if (total == 0) {
        return {std::min(limits.start, limits.maxClients), 0};
    }
    // If the limits contradict each other, the lower one counts.
    const unsigned maxSpare = std::max(limits.maxSpare, limits.minSpare);
    const unsigned surplus =
        std::max(difference(counts.free, maxSpare), std::min(counts.free, difference(total, limits.maxClients)));
    if (surplus > 0) {
        return {0, surplus};
    }
    const unsigned missing = difference(limits.minSpare, counts.free + counts.starting);
    return {std::min(missing, difference(limits.maxClients, total)), 0};
}

}  // namespace Passenger
