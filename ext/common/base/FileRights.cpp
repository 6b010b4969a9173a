#include "base/FileRights.h"

#include <grp.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include <fmt/format.h>

#include "base/Exceptions.h"

namespace Passenger {

namespace {

constexpr int FIRST_GROUPS = 32;

}  // namespace

FileRights FileRights::ofUser(const std::string &name, uid_t uid, gid_t gid) {
    FileRights rights{uid, gid, {}};
    int count = FIRST_GROUPS;
    do {
        rights.groups.resize(static_cast<std::size_t>(count));
    } while (::getgrouplist(name.c_str(), gid, rights.groups.data(), &count) < 0);
    rights.groups.resize(static_cast<std::size_t>(std::min(count, NGROUPS_MAX)));
    return rights;
}

AsUser::AsUser(const FileRights &rights) {
    groups_.resize(static_cast<std::size_t>(::getgroups(0, nullptr)));
    if (::getgroups(static_cast<int>(groups_.size()), groups_.data()) != static_cast<int>(groups_.size())) {
        throw SystemException("getgroups", errno);
    }
    if (::syscall(SYS_setgroups, rights.groups.size(), rights.groups.data()) != 0) {
        throw SystemException("setgroups", errno);
    }
    group_ = static_cast<gid_t>(::setfsgid(rights.gid));
    user_ = static_cast<uid_t>(::setfsuid(rights.uid));
    // setfsuid() and setfsgid() do not report failures.
    if (static_cast<uid_t>(::setfsuid(-1)) != rights.uid || static_cast<gid_t>(::setfsgid(-1)) != rights.gid) {
        restore();
        throw IOException(fmt::format("cannot take the rights of user {}", rights.uid));
    }
}

AsUser::~AsUser() {
    restore();
}

void AsUser::restore() const noexcept {
    ::setfsuid(user_);
    ::setfsgid(group_);
    static_cast<void>(::syscall(SYS_setgroups, groups_.size(), groups_.data()));
}

}  // namespace Passenger
