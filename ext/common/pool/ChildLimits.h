#pragma once

#include <string>

#include "base/Exceptions.h"
#include "shm/Layouts.h"

namespace Passenger {

/** What one process that sends requests (a child of httpd) can take of the agent. A plain value. */
struct ChildLimits {
    /** Each channel has an entry in the child's in-flight table. */
    static constexpr unsigned MOST_CHANNELS = InFlightLayout::ENTRIES;
    static constexpr unsigned MOST_APPS = GenerationLayout::GROUPS;

    /** It needs two, which its threads share (PoolClient). */
    unsigned connections = 1024;
    /** At most MOST_CHANNELS. */
    unsigned channels = MOST_CHANNELS;
    /** Applications of which it has channels: it cannot keep all slots in use. */
    unsigned apps = MOST_APPS / 2;
};

/** A child has as much as ChildLimits allow. what() names the limit and the directive. */
class ChildLimitReached : public IOException {
public:
    enum class Limit { CONNECTIONS, CHANNELS, APPS };

    ChildLimitReached(Limit limit, unsigned most)
        : IOException(std::string("the child has ") + (limit == Limit::APPS ? "reply channels of " : "") +
                      std::to_string(most) + " " + nameOf(limit) + " already; " + directiveOf(limit) +
                      " allows no more"),
          limit_(limit),
          most_(most) {}

    Limit limit() const noexcept {
        return limit_;
    }
    unsigned most() const noexcept {
        return most_;
    }
    const char *directive() const noexcept {
        return directiveOf(limit_);
    }

private:
    static const char *nameOf(Limit limit) noexcept {
        return limit == Limit::CONNECTIONS ? "connections"
               : limit == Limit::CHANNELS  ? "reply channels"
                                           : "applications";
    }
    static const char *directiveOf(Limit limit) noexcept {
        return limit == Limit::CONNECTIONS ? "PassengerMaxChildConnections"
               : limit == Limit::CHANNELS  ? "PassengerMaxChildChannels"
                                           : "PassengerMaxChildApps";
    }

    Limit limit_;
    unsigned most_;
};

}  // namespace Passenger
