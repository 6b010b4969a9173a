#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace Passenger {

/** What the system knows of users and groups. Passed in, so that tests can have users of their own. Thread-safe. */
class UserDatabase {
public:
    struct User {
        std::string name;
        uid_t uid = 0;
        /** Its primary group. */
        gid_t gid = 0;
    };
    struct Group {
        std::string name;
        gid_t gid = 0;
    };

    virtual ~UserDatabase() = default;
    /** Nothing: there is no such user (or group). @throws SystemException when that cannot be found out */
    virtual std::optional<User> userNamed(const std::string &name) const = 0;
    virtual std::optional<User> userWithId(uid_t uid) const = 0;
    virtual std::optional<Group> groupNamed(const std::string &name) const = 0;
    virtual std::optional<Group> groupWithId(gid_t gid) const = 0;
};

/** The real one: getpwnam_r and its like. May block where users come from the network. */
class SystemUserDatabase final : public UserDatabase {
public:
    std::optional<User> userNamed(const std::string &name) const override;
    std::optional<User> userWithId(uid_t uid) const override;
    std::optional<Group> groupNamed(const std::string &name) const override;
    std::optional<Group> groupWithId(gid_t gid) const override;
};

}  // namespace Passenger
