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
 * Calls one of the get…_r functions with a buffer that is large enough.
 * @param call (Entry *, char *buffer, size_t, Entry **) -> errno
 * @param convert (const Entry &) -> Result; called while the buffer exists
 */
template <typename Entry, typename Call, typename Convert>
auto lookUp(const std::string &what, Call call, Convert convert) -> std::optional<decltype(convert(Entry()))> {
    std::vector<char> buffer(FIRST_BUFFER);
    for (;;) {
        Entry entry{};
        Entry *found = nullptr;
        const int error = call(&entry, buffer.data(), buffer.size(), &found);
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
    return lookUp<passwd>(
        "getpwnam_r(\"" + name + "\")",
        [&](auto *entry, auto *buffer, auto size, auto **found) {
            return ::getpwnam_r(name.c_str(), entry, buffer, size, found);
        },
        toUser);
}

std::optional<UserDatabase::User> SystemUserDatabase::userWithId(uid_t uid) const {
    return lookUp<passwd>(
        "getpwuid_r(" + std::to_string(uid) + ")",
        [&](auto *entry, auto *buffer, auto size, auto **found) {
            return ::getpwuid_r(uid, entry, buffer, size, found);
        },
        toUser);
}

std::optional<UserDatabase::Group> SystemUserDatabase::groupNamed(const std::string &name) const {
    return lookUp<group>(
        "getgrnam_r(\"" + name + "\")",
        [&](auto *entry, auto *buffer, auto size, auto **found) {
            return ::getgrnam_r(name.c_str(), entry, buffer, size, found);
        },
        toGroup);
}

std::optional<UserDatabase::Group> SystemUserDatabase::groupWithId(gid_t gid) const {
    return lookUp<group>(
        "getgrgid_r(" + std::to_string(gid) + ")",
        [&](auto *entry, auto *buffer, auto size, auto **found) {
            return ::getgrgid_r(gid, entry, buffer, size, found);
        },
        toGroup);
}

}  // namespace Passenger
