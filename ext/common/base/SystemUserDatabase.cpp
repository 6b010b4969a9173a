#include "base/SystemUserDatabase.h"

#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <vector>

#include "base/Exceptions.h"

namespace Passenger {

namespace {

constexpr std::size_t FIRST_BUFFER = 4096;
/** About the size of a group that has all users of a large site as members. */
constexpr std::size_t LARGEST_BUFFER = 16 * 1024 * 1024;

/**
 * Calls `function`, one of the get…_r functions, with a buffer that is large enough.
 * @param convert (const Entry &) -> Result; called while the buffer exists
 */
template <typename Key, typename Entry, typename Result>
std::optional<Result> lookUp(int (*function)(Key, Entry *, char *, std::size_t, Entry **), Key key,
                             Result (*convert)(const Entry &), const std::string &what) {
    std::vector<char> buffer(FIRST_BUFFER);
    for (;;) {
        Entry entry{};
        Entry *found = nullptr;
        const int error = function(key, &entry, buffer.data(), buffer.size(), &found);
        if (found != nullptr) {
            return convert(*found);
        }
        switch (error) {
            case EINTR: break;
            case ERANGE:
                if (buffer.size() >= LARGEST_BUFFER) {
                    throw SystemException(what, error);
                }
                buffer.resize(buffer.size() * 4);
                break;
            // Depending on the source of user data, each of these may mean "not found"
            // (getpwnam(3)).
            case 0:
            case ENOENT:
            case ESRCH:
            case EBADF:
            case EPERM: return std::nullopt;
            default: throw SystemException(what, error);
        }
    }
}

UserDatabase::User toUser(const passwd &entry) {
    return {entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir, entry.pw_shell};
}

UserDatabase::Group toGroup(const group &entry) {
    return {entry.gr_name, entry.gr_gid};
}

}  // namespace

std::optional<UserDatabase::User> SystemUserDatabase::userNamed(const std::string &name) const {
    return lookUp(::getpwnam_r, name.c_str(), toUser, "getpwnam_r(\"" + name + "\")");
}

std::optional<UserDatabase::User> SystemUserDatabase::userWithId(uid_t uid) const {
    return lookUp(::getpwuid_r, uid, toUser, "getpwuid_r(" + std::to_string(uid) + ")");
}

std::optional<UserDatabase::Group> SystemUserDatabase::groupNamed(const std::string &name) const {
    return lookUp(::getgrnam_r, name.c_str(), toGroup, "getgrnam_r(\"" + name + "\")");
}

std::optional<UserDatabase::Group> SystemUserDatabase::groupWithId(gid_t gid) const {
    return lookUp(::getgrgid_r, gid, toGroup, "getgrgid_r(" + std::to_string(gid) + ")");
}

}  // namespace Passenger
