#pragma once

#include <optional>
#include <string>
#include <utility>

#include <tl/expected.hpp>

#include "base/UserDatabase.h"
#include "exchange/Options.h"
#include "rights/GrantsInForce.h"
#include "rights/OwnerSearch.h"
#include "rights/RunAs.h"

namespace Passenger {

/**
 * Determines the user of an application: PassengerUser, else the owner of its startup file.
 * PassengerDefaultUser replaces root and unknown users, and with PassengerUserSwitching off all
 * users. The group is PassengerGroup, else PassengerDefaultGroup for the default user, else the
 * user's primary group. Refuses what httpd's configuration does not grant.
 *
 * Owned by AppResources. Has no state; thread-safe. May block in its lookups.
 */
class UserResolver {
public:
    /** The value of PassengerGroup for "the group of the startup file". */
    static constexpr const char *STARTUP_FILE_GROUP = "!STARTUP_FILE!";

    UserResolver(const UserDatabase &database, FindOwner findOwner, const GrantsInForce &grants)
        : database_(database), findOwner_(std::move(findOwner)), grants_(grants) {}

    /**
     * @param canSwitch whether new processes can run as other users (SpawnManager::canSwitchUsers)
     * @return the user, or the reason for people why there is none
     * @throws SystemException
     */
    tl::expected<RunAs, std::string> resolve(const Options &options, bool canSwitch) const;
    /**
     * The user for files of the application, where processes can run as other users. As resolve(),
     * but neither programs nor limits count: an instance goes on after a reload that changes them.
     */
    tl::expected<RunAs, std::string> ownerOf(const Options &options) const;

    /** Whether the user or the group is the startup file's. */
    static bool startupFileDecides(const Options &options) {
        return options.userSwitching && (options.user.empty() || options.group == STARTUP_FILE_GROUP);
    }
    /** The absolute path of the startup file. */
    static std::string startupFilePath(const Options &options);

private:
    using User = UserDatabase::User;
    using Group = UserDatabase::Group;

    struct Choice {
        User user;
        /** The default user was chosen, for whatever reason. */
        bool isDefault = false;
        std::string note;
    };

    tl::expected<FileOwner, std::string> ownerOfStartupFile(const Options &options) const;
    tl::expected<RunAs, std::string> resolveGranted(const Options &options, bool canSwitch) const;
    std::optional<std::string> foreignFolder(const Grants &grants, const Options &options, const RunAs &runAs) const;
    /** Whether the user owns the startup file in a folder that the configuration has for the
     *  options. */
    bool ownsNamedFolder(const Grants &grants, const Options &options, uid_t uid) const;
    tl::expected<Choice, std::string> chooseUser(const Options &options, const FileOwner &owner) const;
    tl::expected<RunAs, std::string> withGroup(Choice choice, tl::expected<Group, std::string> group) const;
    tl::expected<Choice, std::string> defaultUser(const Options &options) const;
    tl::expected<Group, std::string> chooseGroup(const Options &options, Choice &choice, const FileOwner &owner) const;
    tl::expected<Group, std::string> defaultGroup(const Options &options, const User &user) const;
    tl::expected<Group, std::string> primaryGroup(const User &user) const;

    const UserDatabase &database_;
    const FindOwner findOwner_;
    const GrantsInForce &grants_;
};

}  // namespace Passenger
