#include "apache2/explain/AppUser.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string_view>

namespace Passenger {

namespace {

// httpd has one thread while it checks its configuration.
// NOLINTBEGIN(concurrency-mt-unsafe)

std::string groupNamed(gid_t gid) {
    const group *found = getgrgid(gid);
    return found != nullptr ? found->gr_name : std::to_string(gid);
}

/** Null: there is none, or it is root. */
const passwd *usable(const passwd *user) {
    return user != nullptr && user->pw_uid != 0 ? user : nullptr;
}

/** @param primary the user's group @param isDefault the user is the default user */
std::string groupOf(const Settings &settings, const Settings &global, gid_t primary, bool isDefault, gid_t ofFile) {
    const std::string_view wanted = settings.group != nullptr ? settings.group : "";
    if (wanted == "!STARTUP_FILE!" && ofFile != 0) {
        return groupNamed(ofFile);
    }
    if (!wanted.empty() && wanted != "!STARTUP_FILE!") {
        const group *found = getgrnam(settings.group);
        if (found != nullptr && found->gr_gid != 0) {
            return found->gr_name;
        }
    }
    const bool takesDefault = isDefault || !wanted.empty();
    return takesDefault && global.defaultGroup != nullptr ? global.defaultGroup.value() : groupNamed(primary);
}

}  // namespace

AppUser AppUser::of(const char *startupFile, const Settings &settings, const Settings &global) {
    AppUser result;
    struct stat file {};
    const bool seen = stat(startupFile, &file) == 0;
    const int error = errno;
    const bool switches = global.userSwitching;
    const passwd *user = nullptr;
    if (switches && settings.user != nullptr) {
        user = usable(getpwnam(settings.user));
        if (user == nullptr) {
            result.note = std::string("PassengerUser ") + settings.user.value() + " is root or does not exist";
            result.remedy = "correct PassengerUser";
        }
    } else if (switches && !seen) {
        result.note = std::string("httpd's user cannot see the owner of ") + startupFile + ": " + std::strerror(error);
        result.remedy = "PassengerUser";
        return result;
    } else if (switches) {
        user = usable(getpwuid(file.st_uid));
        if (user == nullptr) {
            result.note = std::string("the owner of ") + startupFile + " is root or has no name";
            result.remedy = std::string("chown ") + startupFile + ", or PassengerUser";
        }
    } else {
        result.note = "PassengerUserSwitching is off";
    }
    const bool isDefault = user == nullptr;
    if (isDefault) {
        user = usable(getpwnam(global.defaultUser));
    }
    if (user == nullptr) {
        result.note = std::string("PassengerDefaultUser ") + global.defaultUser.value() + " is root or does not exist";
        result.remedy = "correct PassengerDefaultUser";
        return result;
    }
    result.user = user->pw_name;
    result.group = groupOf(settings, global, user->pw_gid, isDefault, seen ? file.st_gid : 0);
    return result;
}

// NOLINTEND(concurrency-mt-unsafe)

}  // namespace Passenger
