#include "rights/SocketFolders.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>

#include "base/Exceptions.h"
#include "base/FileDescriptor.h"
#include "base/FolderTrust.h"
#include "log/Log.h"

namespace Passenger {

namespace {

constexpr std::string_view PREFIX = "passenger.";
/** The second: why the application did not start (lib/passenger/node/failures.js). */
constexpr const char *FILES[] = {"socket", "failure"};
/** Node cuts a longer path, and makes the socket elsewhere. */
constexpr std::size_t MAX_SOCKET_PATH = sizeof(sockaddr_un::sun_path) - 1;
/** The kernel's pids have at most seven digits. */
constexpr std::size_t MAX_FOLDER = MAX_SOCKET_PATH - std::string_view("/passenger.4194304.XXXXXX/socket").size();
/** A new folder has no lock for a short time, while its bridge lives. */
constexpr std::time_t YOUNG_SECONDS = 10;

bool isYoung(const struct stat &status) {
    return std::time(nullptr) - status.st_ctim.tv_sec < YOUNG_SECONDS;
}

/** The form is passenger.PID.XXXXXX. */
bool hasForm(std::string_view name) {
    const auto last = name.rfind('.');
    return name.starts_with(PREFIX) && last > PREFIX.size() && last + 7 == name.size() &&
           name.substr(PREFIX.size(), last - PREFIX.size()).find_first_not_of("0123456789") == std::string_view::npos;
}

/** @param name of the form. @return whether the process that made the folder is there */
bool hasBridge(std::string_view name) {
    return ::kill(std::atoi(std::string(name.substr(PREFIX.size())).c_str()), 0) == 0 || errno != ESRCH;
}

}  // namespace

void SocketFolders::prepare() const {
    if (folder_.size() > MAX_FOLDER) {
        throw IOException(fmt::format(
            "PassengerSpawnDir \"{}\" has {} bytes, and may have {}: the path of a socket in it has at most {}",
            folder_, folder_.size(), MAX_FOLDER, MAX_SOCKET_PATH));
    }
    // The umask belongs to the whole process, so chmod() sets the mode.
    if (makeMissingFolder(folder_, 0700)) {
        const mode_t mode = ::geteuid() == 0 ? 01777 : 0700;
        if (::chmod(folder_.c_str(), mode) != 0) {
            throw SystemException("chmod " + folder_, errno);
        }
    }
    checkFolderTrust(folder_);
}

void SocketFolders::removeOf(pid_t bridge) const noexcept {
    const std::string prefix = std::string(PREFIX) + std::to_string(bridge) + ".";
    remove([&](std::string_view name, int descriptor, const struct stat & /*status*/) {
        return name.starts_with(prefix) && ::flock(descriptor, LOCK_EX | LOCK_NB) == 0;
    });
}

void SocketFolders::removeLeft() const noexcept {
    remove([](std::string_view name, int descriptor, const struct stat &status) {
        return (!isYoung(status) || !hasBridge(name)) && ::flock(descriptor, LOCK_EX | LOCK_NB) == 0;
    });
}

template <typename Wanted> void SocketFolders::remove(Wanted wanted) const noexcept {
    const std::unique_ptr<DIR, int (*)(DIR *)> listing(::opendir(folder_.c_str()), ::closedir);
    if (!listing) {
        return;
    }
    const int parent = ::dirfd(listing.get());
    while (const dirent *entry = ::readdir(listing.get())) {
        if (!hasForm(entry->d_name)) {
            continue;
        }
        // By descriptor, so that another process cannot replace the folder.
        const FileDescriptor folder(
            ::openat(parent, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
        struct stat status {};
        if (folder && ::fstat(folder.get(), &status) == 0 && wanted(entry->d_name, folder.get(), status)) {
            for (const char *file : FILES) {
                ::unlinkat(folder.get(), file, 0);
            }
            if (::unlinkat(parent, entry->d_name, AT_REMOVEDIR) == 0) {
                Log::info("event=spawn_dir.cleaned folder=\"{}/{}\"", folder_, entry->d_name);
            }
        }
    }
}

}  // namespace Passenger
