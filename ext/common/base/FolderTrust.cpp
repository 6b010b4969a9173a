#include "base/FolderTrust.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

#include "base/Exceptions.h"

namespace Passenger {

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

}  // namespace Passenger
