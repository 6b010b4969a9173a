#include "base/FolderTrust.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/Split.h"

namespace Passenger {

namespace {

/** The kernel's limit. */
constexpr unsigned MOST_LINKS = 40;

/** Links of /proc/PID lead elsewhere than their text says. */
bool isOfProc(const std::string &folder) {
    struct statfs system {};
    return ::statfs(folder.c_str(), &system) != 0 || system.f_type == PROC_SUPER_MAGIC;
}

bool leadsSafely(const std::string &path, uid_t user, gid_t group, unsigned links) {
    const std::vector<std::string> names = split(path, '/');
    std::string way = "/";
    for (std::size_t next = 0;; ++next) {
        struct stat status {};
        if (::lstat(way.c_str(), &status) != 0 || (status.st_uid != 0 && status.st_uid != user)) {
            return false;
        }
        if (S_ISLNK(status.st_mode)) {
            std::error_code failure;
            const std::filesystem::path link(way);
            auto target = link.parent_path() / std::filesystem::read_symlink(link, failure);
            for (; next < names.size(); ++next) {
                target /= names[next];
            }
            return !failure && !isOfProc(link.parent_path()) && links < MOST_LINKS &&
                   leadsSafely(target, user, group, links + 1);
        }
        if ((status.st_mode & (status.st_gid == group ? S_IWOTH : S_IWGRP | S_IWOTH)) != 0) {
            return false;
        }
        if (next == names.size()) {
            return true;
        }
        way += (way == "/" ? "" : "/") + names[next];
    }
}

}  // namespace

bool makeMissingFolder(const std::string &folder, mode_t mode) {
    struct stat status {};
    if (::stat(folder.c_str(), &status) == 0) {
        return false;
    }
    if (::mkdir(folder.c_str(), mode) == 0) {
        return true;
    }
    if (errno != EEXIST) {
        throw SystemException("the folder " + folder + " cannot be made", errno);
    }
    return false;
}

void checkFolderTrust(const std::string &folder) {
    struct stat status {};
    if (::stat(folder.c_str(), &status) != 0) {
        throw SystemException(folder, errno);
    }
    if (!S_ISDIR(status.st_mode)) {
        throw IOException(folder + " is not a folder");
    }
    if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
        throw IOException(fmt::format("{} belongs to user {}: make it belong to root, or name another folder", folder,
                                      status.st_uid));
    }
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (status.st_mode & S_ISVTX) == 0) {
        throw IOException(
            fmt::format("users other than the owner may write to {0}: chmod go-w {0}, or chmod +t {0} where all users "
                        "share the folder, or name another folder",
                        folder));
    }
}

bool isSafeFromOthers(const std::string &path, uid_t user, gid_t group) {
    return leadsSafely(path, user, group, 0);
}

}  // namespace Passenger
