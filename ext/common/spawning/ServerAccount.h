#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/UserDatabase.h"

namespace Passenger {

/** The user data that a spawn server has from its start to its end. A plain value. */
struct ServerAccount {
    UserDatabase::User user{};
    /** The group of its processes. */
    gid_t gid = 0;
    /** Sorted. Empty: those of this process. */
    std::vector<gid_t> groups{};

    /**
     * The data as they are now. Blocks if user data comes from the network.
     * @param user empty: this process's own. `group` empty: the user's primary group
     * @return nothing if they cannot be found
     */
    static std::optional<ServerAccount> of(const std::string &user, const std::string &group);

    friend bool operator==(const ServerAccount &, const ServerAccount &) = default;
};

}  // namespace Passenger
