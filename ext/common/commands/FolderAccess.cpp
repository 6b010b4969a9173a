#include "commands/FolderAccess.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <vector>

namespace Passenger {

namespace {

std::vector<gid_t> groupsOf(const passwd &user) {
    int count = 64;
    std::vector<gid_t> groups(static_cast<std::size_t>(count));
    if (::getgrouplist(user.pw_name, user.pw_gid, groups.data(), &count) < 0) {
        groups.resize(static_cast<std::size_t>(count));
        ::getgrouplist(user.pw_name, user.pw_gid, groups.data(), &count);
    }
    groups.resize(static_cast<std::size_t>(count));
    return groups;
}

bool mayEnter(const struct stat &folder, uid_t user, const std::vector<gid_t> &groups) {
    if (user == 0) {
        return true;
    }
    if (folder.st_uid == user) {
        return (folder.st_mode & S_IXUSR) != 0;
    }
    const bool member = std::find(groups.begin(), groups.end(), folder.st_gid) != groups.end();
    return (folder.st_mode & (member ? S_IXGRP : S_IXOTH)) != 0;
}

}  // namespace

std::optional<std::string> closedFolder(const std::string &path, const std::string &user) {
    const passwd *const entry = user.empty() ? nullptr : ::getpwnam(user.c_str());
    if (entry == nullptr) {
        return std::nullopt;
    }
    const auto groups = groupsOf(*entry);
    std::filesystem::path folder;
    for (const auto &part : std::filesystem::path(path)) {
        folder /= part;
        struct stat status {};
        if (::stat(folder.c_str(), &status) != 0) {
            return std::nullopt;
        }
        if (S_ISDIR(status.st_mode) && !mayEnter(status, entry->pw_uid, groups)) {
            return folder.string();
        }
    }
    return std::nullopt;
}

}  // namespace Passenger
