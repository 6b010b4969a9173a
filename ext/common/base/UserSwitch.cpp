#include "base/UserSwitch.h"

#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "base/Exceptions.h"

namespace Passenger {

namespace {

constexpr uid_t ROOT = 0;

bool allAre(const std::array<id_t, 3> &ids, id_t wanted) {
    return std::all_of(ids.begin(), ids.end(), [wanted](id_t id) { return id == wanted; });
}

std::vector<gid_t> sorted(std::vector<gid_t> groups) {
    std::sort(groups.begin(), groups.end());
    groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
    return groups;
}

std::vector<gid_t> ownGroups() {
    std::vector<gid_t> groups(static_cast<std::size_t>(std::max(::getgroups(0, nullptr), 0)));
    throwUnless(::getgroups(static_cast<int>(groups.size()), groups.data()) == static_cast<int>(groups.size()),
                "getgroups");
    return groups;
}

bool lasts(const FileRights &rights) {
    std::array<id_t, 3> users{};
    std::array<id_t, 3> groups{};
    return ::getresuid(&users[0], &users[1], &users[2]) == 0 && allAre(users, rights.uid) &&
           ::getresgid(&groups[0], &groups[1], &groups[2]) == 0 && allAre(groups, rights.gid) &&
           sorted(ownGroups()) == sorted(rights.groups) && (rights.uid == ROOT || ::setuid(ROOT) != 0);
}

}  // namespace

void switchUser(const FileRights &rights) {
    throwUnless(::setgroups(rights.groups.size(), rights.groups.data()) == 0, "setgroups");
    throwUnless(::setresgid(rights.gid, rights.gid, rights.gid) == 0, "setresgid");
    throwUnless(::setresuid(rights.uid, rights.uid, rights.uid) == 0, "setresuid");
    if (!lasts(rights)) {
        throw IOException(
            fmt::format("this process did not become user {} and group {} for good: something outside, "
                        "such as a user namespace or a security module, keeps or returns its rights",
                        rights.uid, rights.gid));
    }
}

}  // namespace Passenger
