#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace Passenger {

/**
 * The system's users and groups. An interface, so that tests can have users of their own.
 * Thread-safe.
 */
class UserDatabase {
public:
    struct User {
        std::string name;
        uid_t uid = 0;
        /** The primary group. */
        gid_t gid = 0;
        std::string home{};
        std::string shell{};

        friend bool operator==(const User &, const User &) = default;
    };
    struct Group {
        std::string name;
        gid_t gid = 0;
    };

    virtual ~UserDatabase() = default;
    /**
     * @return nothing if there is no such user (or group)
     * @throws SystemException if the lookup fails
     */
    virtual std::optional<User> userNamed(const std::string &name) const = 0;
    virtual std::optional<User> userWithId(uid_t uid) const = 0;
    virtual std::optional<Group> groupNamed(const std::string &name) const = 0;
    virtual std::optional<Group> groupWithId(gid_t gid) const = 0;
};

}  // namespace Passenger
