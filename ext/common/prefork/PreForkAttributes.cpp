#include "prefork/PreForkAttributes.h"

#include <stdexcept>
#include <utility>

#include "log/Log.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

/**
 * Workers send three signs of life in each timeout. In a shorter timeout, a worker that only waits
 * for a processor would seem dead.
 */
constexpr milliseconds SHORTEST_TIMEOUT{30};
/** Sums and products of times up to this one do not overflow. */
constexpr milliseconds LONGEST_TIME = std::chrono::hours(24 * 365);

void mendTo(const char *name, milliseconds &value, milliseconds better, const char *reason) {
    Log::warn("event=prefork.setting_mended reason=\"{} {} ms is {}; {} is used\"", name, value.count(), reason,
              better.count());
    value = better;
}

void mendTime(const char *name, milliseconds &value) {
    if (value < milliseconds(0)) {
        mendTo(name, value, milliseconds(0), "negative");
    } else if (value > LONGEST_TIME) {
        mendTo(name, value, LONGEST_TIME, "more than a year");
    }
}

}  // namespace

PreForkAttributes::PreForkAttributes(PreForkSettings settings) : settings_(std::move(settings)) {
    if (!settings_.server) {
        throw std::invalid_argument("PreFork needs a server");
    }
}

void PreForkAttributes::setServer(std::shared_ptr<PreForkServer> server) {
    if (!server) {
        throw std::invalid_argument("PreFork needs a server");
    }
    if (fixed_) {
        throw std::logic_error("PreFork has started its server already: set the server before start()");
    }
    settings_.server = std::move(server);
}

void PreForkAttributes::setLimits(const SpareLimits &limits) {
    settings_.limits = limits;
    normalizeAll();
}

void PreForkAttributes::setLimit(unsigned SpareLimits::*limit, unsigned count) {
    auto limits = settings_.limits;
    limits.*limit = count;
    setLimits(limits);
}

void PreForkAttributes::setTimeout(milliseconds timeout) {
    if (fixed_) {
        throw std::logic_error("PreFork has given its workers the timeout already: set the timeout before start()");
    }
    settings_.timeout = timeout;
    normalizeAll();
}

void PreForkAttributes::fixAttributes() {
    fixed_ = true;
    normalizeAll();
}

void PreForkAttributes::normalizeAll() {
    for (const auto &sentence : normalize(settings_.limits)) {
        Log::warn("event=prefork.setting_mended reason=\"{}\"", sentence);
    }
    mendTime("timeout", settings_.timeout);
    if (settings_.timeout > milliseconds(0) && settings_.timeout < SHORTEST_TIMEOUT) {
        mendTo("timeout", settings_.timeout, SHORTEST_TIMEOUT, "shorter than a worker may wait for a processor");
    }
    mendTime("start_timeout", settings_.startTimeout);
    mendTime("grace", settings_.grace);
    mendTime("surplus_time", settings_.surplusTime);
    attributesChanged();
}

}  // namespace Passenger
