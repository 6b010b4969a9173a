#pragma once

#include <sys/types.h>

#include <string>

#include "exchange/Options.h"

namespace Passenger {

/** The user and group of an application's processes. A plain value. */
struct RunAs {
    /** Both empty: the agent's own; the ids are then not set. */
    std::string user;
    std::string group;
    uid_t uid = 0;
    gid_t gid = 0;
    /** Not empty: a message for the log that the configured user or group could not be used. */
    std::string note;
    /** Set by a RightsClient: what the rights process needs to determine the user again
     *  (ownerOptionsOf()). */
    Options::Variables options{};

    bool switches() const noexcept { return !user.empty(); }
    /** By the names: the rest follows from them. */
    friend bool operator==(const RunAs &a, const RunAs &b) noexcept { return a.user == b.user && a.group == b.group; }
};

}  // namespace Passenger
