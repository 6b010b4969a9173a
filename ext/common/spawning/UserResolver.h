#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "exchange/Options.h"
#include "spawning/FileOwners.h"
#include "spawning/UserDatabase.h"

namespace Passenger {

/** Whom an application runs as. */
struct RunAs {
    /** Both empty: as we do ourselves; then the ids are not set. */
    std::string user;
    std::string group;
    uid_t uid = 0;
    gid_t gid = 0;
    /** Not empty: what was asked for could not be had, for the log. */
    std::string note;

    bool switches() const noexcept {
        return !user.empty();
    }
};

/**
 * Decides whom an application runs as: PassengerUser, else the owner of its startup file; the default user instead of
 * root and of unknown ones. Its group: PassengerGroup, else the default group for the default user, else the user's
 * primary one.
 *
 * Owned by whoever makes spawners. Has no state; thread-safe. May block in its lookups.
 */
class UserResolver {
public:
    /** PassengerGroup's value for "the group of the startup file". */
    static constexpr const char *STARTUP_FILE_GROUP = "!STARTUP_FILE!";

    UserResolver(const UserDatabase &database, const FileOwners &owners) : database_(database), owners_(owners) {}

    /** @param canSwitch whether new processes can run as others than we do (SpawnManager::canSwitchUsers)
     *  @return or why nobody can be found, in words for people. @throws SystemException */
    tl::expected<RunAs, std::string> resolve(const Options &options, bool canSwitch) const;

    /** The startup file's whole path. */
    static std::string startupFilePath(const Options &options);

private:
    using User = UserDatabase::User;
    using Group = UserDatabase::Group;

    struct Choice {
        User user;
        /** It is the default user, whatever the reason. */
        bool isDefault = false;
        std::string note;
    };

    tl::expected<FileOwner, std::string> ownerOfStartupFile(const Options &options) const;
    tl::expected<Choice, std::string> chooseUser(const Options &options, const FileOwner &owner) const;
    tl::expected<RunAs, std::string> withGroup(Choice choice, tl::expected<Group, std::string> group) const;
    tl::expected<Choice, std::string> defaultUser(const Options &options) const;
    tl::expected<Group, std::string> chooseGroup(const Options &options, Choice &choice, const FileOwner &owner) const;
    tl::expected<Group, std::string> defaultGroup(const Options &options, const User &user) const;
    tl::expected<Group, std::string> primaryGroup(const User &user) const;

    const UserDatabase &database_;
    const FileOwners &owners_;
};

}  // namespace Passenger
