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

    /** It needs three: two that its threads share, and one for restart.txt (PoolClient). */
    unsigned connections = 1024;
    /** At most MOST_CHANNELS. */
    unsigned channels = MOST_CHANNELS;
    /** Applications of which it has channels: it cannot keep all slots in use. */
    unsigned apps = MOST_APPS / 2;
};

/** A child has as much as ChildLimits allow, or all of them as much as there is. what() names the
 *  limit and the directive. */
class ChildLimitReached : public IOException {
public:
    enum class Limit { CONNECTIONS, CHANNELS, APPS, ALL };

    ChildLimitReached(Limit limit, unsigned most)
        : IOException(std::string("the child has ") + (limit == Limit::APPS ? "reply channels of " : "") +
                      std::to_string(most) + " " + nameOf(limit) + " already; " + directiveOf(limit) +
                      " allows no more"),
          limit_(limit) {}

    /** All children together. @param reason for people */
    explicit ChildLimitReached(const std::string &reason) : IOException(reason), limit_(Limit::ALL) {}

    Limit limit() const noexcept { return limit_; }
    const char *directive() const noexcept { return directiveOf(limit_); }

private:
    static const char *nameOf(Limit limit) noexcept {
        return limit == Limit::CONNECTIONS ? "connections"
               : limit == Limit::CHANNELS  ? "reply channels"
                                           : "applications";
    }
    static const char *directiveOf(Limit limit) noexcept {
        switch (limit) {
            case Limit::CONNECTIONS: return "PassengerMaxChildConnections";
            case Limit::CHANNELS: return "PassengerMaxChildChannels";
            case Limit::APPS: return "PassengerMaxChildApps";
            case Limit::ALL: break;
        }
        return "none";
    }

    Limit limit_;
};

}  // namespace Passenger
