// What can be set, before it starts and while it runs.

#include <stdexcept>
#include <utility>

#include "log/Log.h"
#include "prefork/PreFork.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

/** A shorter silence is no sign of anything: signs of life come three times in that time, and processes wait for their turn. */
constexpr milliseconds SHORTEST_TIMEOUT{30};
/** Whatever is added to it or multiplied with it, it is a time still. */
constexpr milliseconds LONGEST_TIME = std::chrono::hours(24 * 365);

void mendTo(const char *name, milliseconds &value, milliseconds better, const char *reason) {
    Log::warn("event=prefork.setting_mended reason=\"{} {} ms is {}; {} is used\"", name, value.count(), reason,
              better.count());
    value = better;
}

void mendTime(const char *name, milliseconds &value) {
    if (value < milliseconds(0)) {
        mendTo(name, value, milliseconds(0), "less than nothing");
    } else if (value > LONGEST_TIME) {
        mendTo(name, value, LONGEST_TIME, "more than a year");
    }
}

}  // namespace

/** Makes what makes no sense sensible, and says so. */
void PreFork::mend() {
    for (const auto &sentence : normalize(settings_.limits)) {
        Log::warn("event=prefork.setting_mended reason=\"{}\"", sentence);
    }
    mendTime("timeout", settings_.timeout);
    if (settings_.timeout > milliseconds(0) && settings_.timeout < SHORTEST_TIMEOUT) {
        mendTo("timeout", settings_.timeout, SHORTEST_TIMEOUT, "shorter than a worker may wait for its turn");
    }
    mendTime("start_timeout", settings_.startTimeout);
    mendTime("grace", settings_.grace);
    mendTime("surplus_time", settings_.surplusTime);
    heartbeats_.setTimeout(settings_.timeout);
    surplus_.setLength(settings_.surplusTime);
}

void PreFork::setServer(std::shared_ptr<PreForkServer> server) {
    if (!server) {
        throw std::invalid_argument("PreFork needs a server");
    }
    if (started_) {
        throw std::logic_error("PreFork has started its server already: set another one before start()");
    }
    settings_.server = std::move(server);
}

void PreFork::setLimits(const SpareLimits &limits) {
    settings_.limits = limits;
    mend();
    if (begun_) {
        handlerForkoff();
        setAlarm();
    }
}

void PreFork::setLimit(unsigned SpareLimits::*limit, unsigned count) {
    auto limits = settings_.limits;
    limits.*limit = count;
    setLimits(limits);
}

void PreFork::setTimeout(milliseconds timeout) {
    if (started_) {
        throw std::logic_error("PreFork has told its workers how often to give a sign: set the timeout before start()");
    }
    settings_.timeout = timeout;
    mend();
}

}  // namespace Passenger
