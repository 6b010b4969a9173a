#pragma once

#include <array>
#include <cstddef>
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
                      std::to_string(most) + " " + textOf(limit).name + " already; " + textOf(limit).directive +
                      " allows no more"),
          limit_(limit) {}

    /** All children together. @param reason for people */
    explicit ChildLimitReached(const std::string &reason) : IOException(reason), limit_(Limit::ALL) {}

    Limit limit() const noexcept { return limit_; }
    const char *directive() const noexcept { return textOf(limit_).directive; }

private:
    struct Text {
        const char *name;
        const char *directive;
    };
    /** Of Limit, in its order. */
    static constexpr std::array<Text, 4> TEXTS{{{"connections", "PassengerMaxChildConnections"},
                                                {"reply channels", "PassengerMaxChildChannels"},
                                                {"applications", "PassengerMaxChildApps"},
                                                {"", "none"}}};
    static const Text &textOf(Limit limit) noexcept { return TEXTS[static_cast<std::size_t>(limit)]; }

    Limit limit_;
};

}  // namespace Passenger
