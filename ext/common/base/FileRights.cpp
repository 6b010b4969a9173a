#include "base/FileRights.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>

#include <fmt/format.h>

#include "base/Exceptions.h"

namespace Passenger {

namespace {

constexpr int FIRST_GROUPS = 32;

#ifdef SYS_setgroups32
// SYS_setgroups takes ids of 16 bits on such a processor.
constexpr long SETGROUPS = SYS_setgroups32;
#else
constexpr long SETGROUPS = SYS_setgroups;
#endif

}  // namespace

FileRights FileRights::ofUser(const std::string &name, uid_t uid, gid_t gid) {
    FileRights rights{uid, gid, {}};
    int count = FIRST_GROUPS;
    rights.groups.resize(FIRST_GROUPS);
    while (::getgrouplist(name.c_str(), gid, rights.groups.data(), &count) < 0) {
        const auto needed = static_cast<std::size_t>(std::max(count, 0));
        // It has failed for another reason than the size.
        if (needed <= rights.groups.size()) {
            throw SystemException("getgrouplist", ENOMEM);
        }
        rights.groups.resize(needed);
    }
    rights.groups.resize(static_cast<std::size_t>(std::min(count, NGROUPS_MAX)));
    return rights;
}

AsUser::AsUser(const FileRights &rights) {
    groups_.resize(static_cast<std::size_t>(::getgroups(0, nullptr)));
    throwUnless(::getgroups(static_cast<int>(groups_.size()), groups_.data()) == static_cast<int>(groups_.size()),
                "getgroups");
    ::prctl(PR_GET_PDEATHSIG, &deathSignal_);
    parent_ = ::getppid();
    throwUnless(::syscall(SETGROUPS, rights.groups.size(), rights.groups.data()) == 0, "setgroups");
    group_ = static_cast<gid_t>(::setfsgid(rights.gid));
    user_ = static_cast<uid_t>(::setfsuid(rights.uid));
    // setfsuid() and setfsgid() do not report failures.
    if (static_cast<uid_t>(::setfsuid(-1)) != rights.uid || static_cast<gid_t>(::setfsgid(-1)) != rights.gid) {
        restore();
        throw IOException(fmt::format("cannot take the rights of user {}", rights.uid));
    }
    try {
        capabilities_.limit({CAP_SETUID, CAP_SETGID});
    } catch (...) {
        restore();
        throw;
    }
}

AsUser::~AsUser() {
    restore();
}

void AsUser::restore() const noexcept {
    ::setfsuid(user_);
    ::setfsgid(group_);
    static_cast<void>(::syscall(SETGROUPS, groups_.size(), groups_.data()));
    capabilities_.restore();
    if (deathSignal_ != 0) {
        ::prctl(PR_SET_PDEATHSIG, deathSignal_);
        if (::getppid() != parent_) {
            ::raise(deathSignal_);
        }
    }
}

}  // namespace Passenger
