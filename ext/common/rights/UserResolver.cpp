#include "rights/UserResolver.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace Passenger {

namespace {

constexpr uid_t ROOT = 0;
constexpr gid_t ROOT_GROUP = 0;

void addNote(std::string &notes, const std::string &note) {
    notes += (notes.empty() ? "" : "; ") + note;
}

}  // namespace

std::string UserResolver::startupFilePath(const Options &options) {
    // An application that needs no startup file, as with a start command: its folder shows its
    // user.
    if (options.startupFile.empty()) {
        return options.appRoot;
    }
    return options.startupFile.starts_with('/') ? options.startupFile : options.appRoot + "/" + options.startupFile;
}

tl::expected<RunAs, std::string> UserResolver::resolve(const Options &options, bool canSwitch) const {
    const auto grants = grants_.forOptions(options, std::chrono::steady_clock::now());
    if (auto refusal = grants->startRefusal(options)) {
        return tl::unexpected(*refusal);
    }
    if (auto refusal = grants->limitRefusal(options)) {
        return tl::unexpected(*refusal);
    }
    auto runAs = resolveGranted(options, canSwitch);
    if (runAs && runAs->switches() && !grants->coversFolder(options)) {
        if (auto refusal = foreignFolder(*grants, options, *runAs)) {
            return tl::unexpected(*refusal);
        }
    }
    return runAs;
}

tl::expected<RunAs, std::string> UserResolver::ownerOf(const Options &options) const {
    if (!grants_.hasOwner(options, std::chrono::steady_clock::now())) {
        return tl::unexpected(
            fmt::format("httpd's configuration has no place with the folder \"{}\", user \"{}\", group \"{}\" and "
                        "startup file \"{}\"",
                        options.appRoot, options.user, options.group, options.startupFile));
    }
    return resolveGranted(options, true);
}

/**
 * The place that names the user is not known to be one for this folder. The folder comes from an
 * Alias or from mod_vhost_alias, or a child that was taken over has chosen it. The user's own
 * files, and root's, may run as that user all the same. With PassengerAppGroupName alone they must
 * have the owner of a folder of that place: the requests of that name would reach others.
 */
std::optional<std::string> UserResolver::foreignFolder(const Grants &grants, const Options &options,
                                                       const RunAs &runAs) const {
    if (options.startCommand.empty() && options.group.empty()) {
        const auto owner = ownerOfStartupFile(options);
        if (!owner) {
            return owner.error();
        }
        const bool isUsers = owner->doubt.empty() && (owner->uid == runAs.uid || owner->uid == ROOT);
        if (isUsers && (!options.user.empty() || ownsNamedFolder(grants, options, owner->uid))) {
            return std::nullopt;
        }
    }
    const auto [directive, value] = !options.startCommand.empty()
                                        ? std::pair("PassengerAppStartCommand", options.startCommand)
                                    : !options.group.empty() ? std::pair("PassengerGroup", options.group)
                                    : !options.user.empty()  ? std::pair("PassengerUser", options.user)
                                                             : std::pair("PassengerAppGroupName", options.appGroupName);
    return fmt::format(
        "httpd's configuration has {} \"{}\", but not for the folder \"{}\": set PassengerAppRoot to it in the same "
        "place",
        directive, value, options.appRoot);
}

bool UserResolver::ownsNamedFolder(const Grants &grants, const Options &options, uid_t uid) const {
    const std::set<std::string> folders = grants.namedFolders(options);
    return std::any_of(folders.begin(), folders.end(), [&](const std::string &folder) {
        Options there = options;
        there.appRoot = folder;
        const auto owner = ownerOfStartupFile(there);
        return owner && owner->doubt.empty() && owner->uid == uid;
    });
}

tl::expected<RunAs, std::string> UserResolver::resolveGranted(const Options &options, bool canSwitch) const {
    if (!canSwitch) {
        // Only the agent's own permissions are used here, so the check is safe. A missing file is
        // reported before any process starts.
        if (auto owner = ownerOfStartupFile(options); !owner) {
            return tl::unexpected(owner.error());
        }
        return RunAs();
    }
    if (!options.userSwitching) {
        return defaultUser(options).and_then(
            [&](const Choice &choice) { return withGroup(choice, defaultGroup(options, choice.user)); });
    }

    FileOwner owner;
    // If both are configured, root does not access the folder. On a network file system root might
    // not be allowed to.
    if (startupFileDecides(options)) {
        auto found = ownerOfStartupFile(options);
        if (!found) {
            return tl::unexpected(found.error());
        }
        if (!found->doubt.empty()) {
            return tl::unexpected(fmt::format("the startup file \"{}\" does not show the application's user: {}",
                                              startupFilePath(options), found->doubt));
        }
        owner = *found;
    }
    return chooseUser(options, owner).and_then([&](Choice choice) {
        auto group = chooseGroup(options, choice, owner);
        return withGroup(std::move(choice), std::move(group));
    });
}

tl::expected<RunAs, std::string> UserResolver::withGroup(Choice choice, tl::expected<Group, std::string> group) const {
    if (!group) {
        return tl::unexpected(group.error());
    }
    return RunAs{choice.user.name, group->name, choice.user.uid, group->gid, std::move(choice.note)};
}

tl::expected<FileOwner, std::string> UserResolver::ownerOfStartupFile(const Options &options) const {
    const std::string path = startupFilePath(options);
    auto owner = findOwner_(path);
    if (owner) {
        return *owner;
    }
    // A wrong folder is the more likely mistake, so it is checked first.
    if (auto folder = findOwner_(options.appRoot); !folder) {
        return tl::unexpected(fmt::format("the application's folder \"{}\" cannot be used: {}", options.appRoot,
                                          strerror(folder.error())));
    }
    return tl::unexpected(
        fmt::format("the application's startup file \"{}\" cannot be used: {}", path, strerror(owner.error())));
}

tl::expected<UserResolver::Choice, std::string> UserResolver::chooseUser(const Options &options,
                                                                         const FileOwner &owner) const {
    const auto user = options.user.empty() ? database_.userWithId(owner.uid) : database_.userNamed(options.user);
    if (user && user->uid != ROOT) {
        return Choice{*user, false, ""};
    }
    auto choice = defaultUser(options);
    if (choice) {
        const std::string who = options.user.empty() ? fmt::format("the application's owner, user {},", owner.uid)
                                                     : fmt::format("user \"{}\"", options.user);
        addNote(choice->note,
                fmt::format("{} {}, so \"{}\" is used", who, user ? "is root" : "does not exist", choice->user.name));
    }
    return choice;
}

tl::expected<UserResolver::Choice, std::string> UserResolver::defaultUser(const Options &options) const {
    if (auto user = database_.userNamed(options.defaultUser)) {
        if (user->uid == ROOT) {
            return tl::unexpected(fmt::format(
                "the default user \"{}\" is root: set PassengerDefaultUser to another user", options.defaultUser));
        }
        return Choice{*user, true, ""};
    }
    return tl::unexpected(fmt::format(
        "the default user \"{}\" does not exist: set PassengerDefaultUser to an existing user", options.defaultUser));
}

tl::expected<UserResolver::Group, std::string> UserResolver::chooseGroup(const Options &options, Choice &choice,
                                                                         const FileOwner &owner) const {
    if (options.group.empty()) {
        return choice.isDefault ? defaultGroup(options, choice.user) : primaryGroup(choice.user);
    }
    const auto group =
        options.group == STARTUP_FILE_GROUP ? database_.groupWithId(owner.gid) : database_.groupNamed(options.group);
    if (group && group->gid != ROOT_GROUP) {
        return *group;
    }
    auto instead = defaultGroup(options, choice.user);
    if (instead) {
        addNote(choice.note, fmt::format("group \"{}\" {}, so \"{}\" is used", options.group,
                                         group ? "is root's" : "does not exist", instead->name));
    }
    return instead;
}

tl::expected<UserResolver::Group, std::string> UserResolver::defaultGroup(const Options &options,
                                                                          const User &user) const {
    if (options.defaultGroup.empty()) {
        return primaryGroup(user);
    }
    if (auto group = database_.groupNamed(options.defaultGroup)) {
        if (group->gid == ROOT_GROUP) {
            return tl::unexpected(
                fmt::format("the default group \"{}\" is root's: set PassengerDefaultGroup to another group",
                            options.defaultGroup));
        }
        return *group;
    }
    return tl::unexpected(
        fmt::format("the default group \"{}\" does not exist: set PassengerDefaultGroup to an existing group",
                    options.defaultGroup));
}

tl::expected<UserResolver::Group, std::string> UserResolver::primaryGroup(const User &user) const {
    if (auto group = database_.groupWithId(user.gid)) {
        return *group;
    }
    return tl::unexpected(fmt::format("the primary group {} of user \"{}\" does not exist", user.gid, user.name));
}

}  // namespace Passenger
