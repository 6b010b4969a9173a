#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/UserDatabase.h"

namespace Passenger {

/** Uses getpwnam_r() and the related functions. May block if user data comes from the network. */
class SystemUserDatabase final : public UserDatabase {
public:
    std::optional<User> userNamed(const std::string &name) const override;
    std::optional<User> userWithId(uid_t uid) const override;
    std::optional<Group> groupNamed(const std::string &name) const override;
    std::optional<Group> groupWithId(gid_t gid) const override;
};

}  // namespace Passenger
