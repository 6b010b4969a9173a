#include "rights/AppFile.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/FileRights.h"
#include "base/FolderTrust.h"
#include "base/Split.h"

namespace Passenger::AppFile {

namespace {

constexpr mode_t MODE = 0640;
constexpr int ALWAYS = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
/** Another process may create or remove the file between two calls. */
constexpr int ATTEMPTS = 3;

/** Creates a missing file if `flags` contain O_CREAT; it then belongs to `owner`. */
FileDescriptor openHere(const std::string &path, int flags, const RunAs *owner) {
    for (int attempt = 1;; ++attempt) {
        FileDescriptor file(::open(path.c_str(), flags & ~O_CREAT));
        if (file || errno != ENOENT || (flags & O_CREAT) == 0) {
            return file;
        }
        file.reset(::open(path.c_str(), flags | O_EXCL, MODE));
        if (file && owner != nullptr && ::fchown(file.get(), owner->uid, owner->gid) != 0) {
            file.reset();
            return file;
        }
        if (file || errno != EEXIST || attempt == ATTEMPTS) {
            return file;
        }
    }
}

FileDescriptor openFile(const std::string &path, int flags, const RunAs &owner, NamedBy namedBy) {
    flags |= ALWAYS;
    if (!owner.switches()) {
        FileDescriptor file = openHere(path, flags, nullptr);
        if (!file) {
            throw SystemException(path, errno);
        }
        return file;
    }
    FileDescriptor file;
    const bool roots = path.starts_with('/') && isSafeFromOthers(path.substr(0, path.rfind('/')));
    if (roots && namedBy == NamedBy::CONFIGURATION) {
        file = openHere(path, flags | O_NOFOLLOW, &owner);
        if (!file) {
            const int error = errno;
            throw SystemException(path + (error == ELOOP ? " is a symbolic link: name the file itself" : ""), error);
        }
        return file;
    }
    const AsUser rights(FileRights{owner.uid, owner.gid, {owner.gid}});
    file = openHere(path, flags, nullptr);
    if (!file) {
        const int error = errno;
        throw SystemException(fmt::format("{} (with the rights of user {}, as {})", path, owner.user,
                                          roots ? "httpd's configuration does not name it"
                                                : "users other than root may write to its folder"),
                              error);
    }
    return file;
}

void checkKind(const FileDescriptor &file, const std::string &path, bool devices) {
    struct stat status {};
    if (::fstat(file.get(), &status) != 0 || !(S_ISREG(status.st_mode) || (devices && S_ISCHR(status.st_mode) != 0))) {
        throw IOException(path + " is not a regular file");
    }
    // The content of /proc and /sys may be private to this process. It has no end that a reader
    // could follow.
    struct statfs system {};
    if (::fstatfs(file.get(), &system) != 0 || system.f_type == PROC_SUPER_MAGIC || system.f_type == SYSFS_MAGIC) {
        throw IOException(path + " is in /proc or /sys: name a file on a disk");
    }
}

}  // namespace

FileDescriptor openForAppending(const std::string &path, const RunAs &owner, NamedBy namedBy) {
    FileDescriptor file = openFile(path, O_WRONLY | O_APPEND | O_CREAT, owner, namedBy);
    checkKind(file, path, true);
    return file;
}

FileDescriptor openForReading(const std::string &path, const RunAs &owner, NamedBy namedBy) {
    FileDescriptor file = openFile(path, O_RDONLY, owner, namedBy);
    checkKind(file, path, false);
    return file;
}

}  // namespace Passenger::AppFile
