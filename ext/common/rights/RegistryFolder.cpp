#include "rights/RegistryFolder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/FolderTrust.h"
#include "base/Json.h"
#include "base/ProcessStat.h"
#include "base/ProcessTree.h"
#include "io/SocketPair.h"
#include "log/Log.h"

namespace Passenger {

namespace {

constexpr std::string_view PREFIX = "passenger.";
constexpr std::size_t RANDOM_LETTERS = 6;
constexpr const char *PID = "pid";
constexpr const char *PROPERTIES = "properties.json";
/** Becomes PROPERTIES once it is whole. */
constexpr const char *NEW_PROPERTIES = "properties.new";
constexpr const char *CONTROL = "control";
constexpr std::array FILES{CONTROL, NEW_PROPERTIES, PROPERTIES, PID};
// An application's user may ask about the application. Whatever the umask is.
constexpr mode_t FOR_ALL_TO_READ = 0644;
constexpr mode_t FOR_ALL_TO_USE = 0666;
constexpr mode_t FOR_ALL_TO_ENTER = 0755;
/** The age up to which an agent may not yet have locked `pid`. */
constexpr std::time_t YOUNG_SECONDS = 60;
/** Folders of one anchor that are in use: of its pool process, and of earlier ones that wait in the
 *  kernel. More belong to a pool process that was taken over. */
constexpr unsigned MAX_FOLDERS = 16;

bool hasForm(std::string_view name) {
    return name.starts_with(PREFIX) && name.size() == PREFIX.size() + RANDOM_LETTERS &&
           name.find('/') == std::string_view::npos;
}

std::string above(const std::string &parent) {
    return parent.ends_with('/') ? parent : parent + "/";
}

/** @return whether the agent of the folder lives; a new folder counts as alive @param folder
 *  open */
bool isAlive(int folder, const struct stat &status) {
    const FileDescriptor pid(::openat(folder, PID, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!pid) {
        // Another program may have removed the file.
        return std::time(nullptr) - status.st_ctim.tv_sec < YOUNG_SECONDS || ::flock(folder, LOCK_EX | LOCK_NB) != 0;
    }
    struct stat file {};
    const bool written = ::fstat(pid.get(), &file) == 0 && file.st_size > 0;
    return ::flock(pid.get(), LOCK_EX | LOCK_NB) != 0 ||
           (!written && std::time(nullptr) - file.st_ctim.tv_sec < YOUNG_SECONDS);
}

/** What `pid` has. */
std::string contentFor(pid_t anchor) {
    return std::to_string(anchor) + "\n";
}

/** How PROPERTIES begins. */
std::string propertiesFor(pid_t anchor) {
    return fmt::format(R"({{"version":"{}","pid":{},)", PASSENGER_VERSION, anchor);
}

bool begins(int folder, const char *file, const std::string &text) {
    const FileDescriptor opened(::openat(folder, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    std::string found(text.size(), '\0');
    return opened && ::read(opened.get(), found.data(), found.size()) == static_cast<ssize_t>(text.size()) &&
           found == text;
}

/** Another program may have removed one of the files. */
bool isOf(pid_t anchor, int folder) {
    return begins(folder, PID, contentFor(anchor)) || (::faccessat(folder, PID, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
                                                       begins(folder, PROPERTIES, propertiesFor(anchor)));
}

/** @return the folder, open, if it is one of this process's user */
FileDescriptor openedIn(int parent, const char *name, struct stat &status) {
    FileDescriptor folder(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    return folder && ::fstat(folder.get(), &status) == 0 && status.st_uid == ::geteuid() ? std::move(folder)
                                                                                         : FileDescriptor();
}

/** Only files that an agent makes are removed. @return whether nothing is left */
bool removeIn(int parent, const char *name, const FileDescriptor &folder) {
    for (const char *file : FILES) {
        ::unlinkat(folder.get(), file, 0);
    }
    return ::unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

/** @param anchor only a folder of this one is removed; none: whosever it is */
void removeAt(const std::string &path, std::optional<pid_t> anchor) noexcept {
    const std::size_t name = path.rfind('/') + 1;
    const FileDescriptor parent(::open(path.substr(0, name).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct stat status {};
    if (!parent || !hasForm(std::string_view(path).substr(name))) {
        return;
    }
    const FileDescriptor folder = openedIn(parent.get(), path.c_str() + name, status);
    if (folder && (!anchor || isOf(*anchor, folder.get()))) {
        removeIn(parent.get(), path.c_str() + name, folder);
    }
}

/** Removes folders of dead agents, of this process's user only.
 *  @throws IOException: the anchor has too many folders
 *  @return the name of one that an earlier pool process of this anchor has left, and that is still
 *      there; empty: there is none */
std::string removeDead(const std::string &parent, pid_t anchor) {
    std::string left;
    unsigned used = 0;
    const std::unique_ptr<DIR, int (*)(DIR *)> listing(::opendir(parent.c_str()), ::closedir);
    while (const dirent *entry = listing ? ::readdir(listing.get()) : nullptr) {
        const std::string_view name = entry->d_name;
        if (!hasForm(name)) {
            continue;
        }
        const int above = ::dirfd(listing.get());
        struct stat status {};
        const FileDescriptor folder = openedIn(above, entry->d_name, status);
        if (!folder) {
            continue;
        }
        if (isAlive(folder.get(), status)) {
            if (isOf(anchor, folder.get()) && ++used == MAX_FOLDERS) {
                throw IOException(
                    fmt::format("agents with pid {} have {} folders in {} already. In containers, set "
                                "PassengerInstanceRegistryDir to a folder of each container's own",
                                anchor, used, parent));
            }
            continue;
        }
        if (left.empty() && isOf(anchor, folder.get())) {
            left = name;
            continue;
        }
        // Another process may be about to take the folder.
        if (::flock(folder.get(), LOCK_EX | LOCK_NB) != 0) {
            continue;
        }
        if (removeIn(above, entry->d_name, folder)) {
            Log::notice("event=registry.cleaned folder=\"{}/{}\" reason=\"its agent has ended\"", parent, name);
        }
    }
    return left;
}

void write(const std::string &path, const std::string &text) {
    const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file || ::fchmod(file.get(), FOR_ALL_TO_READ) != 0 ||
        ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        throw SystemException(path, errno);
    }
}

/** Binds by a descriptor of the folder, since the path of a socket is limited to 107 bytes. */
FileDescriptor listenIn(const std::string &path, unsigned backlog) {
    const FileDescriptor folder(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    fmt::format_to_n(address.sun_path, sizeof(address.sun_path) - 1, "/proc/self/fd/{}/{}", folder.get(), CONTROL);
    FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // Connections inherit that: no descriptor comes before accept() either.
    denyDescriptors(socket);
    if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0 ||
        ::chmod(address.sun_path, FOR_ALL_TO_USE) != 0 ||
        ::listen(socket.get(), static_cast<int>(std::min<unsigned>(backlog, INT_MAX))) != 0) {
        throw SystemException(path + "/" + CONTROL, errno);
    }
    return socket;
}

/** A new folder is locked before other users may enter it. Where they may, they may hold the
 *  lock. */
FileDescriptor lockFolder(const std::string &path) {
    FileDescriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder || ::flock(folder.get(), LOCK_SH | LOCK_NB) != 0) {
        throw SystemException(path, errno);
    }
    return folder;
}

FileDescriptor lockIn(const std::string &path, pid_t anchor) {
    const std::string file = path + "/" + PID;
    const std::string text = contentFor(anchor);
    FileDescriptor lock(::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!lock || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0 ||
        ::write(lock.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        throw SystemException(file, errno);
    }
    return lock;
}

double secondsOf(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

/** In seconds since 1970, so exact that of two agents the newer one is known: a reload may follow
 *  the start at once. */
double startOf(pid_t anchor) {
    const auto stat = ProcessStat::of(anchor);
    const double ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    const double age = stat ? secondsOf(CLOCK_BOOTTIME) - static_cast<double>(stat->startTime) / ticks : 0;
    return secondsOf(CLOCK_REALTIME) - age;
}

/** Locks the folder, and makes its files, perhaps in place of those of a dead process. */
RegistryFolder fill(const std::string &path, unsigned backlog, pid_t anchor, pid_t pool) {
    RegistryFolder folder;
    try {
        folder.path = path;
        folder.folder = lockFolder(path);
        if (::chmod(path.c_str(), FOR_ALL_TO_ENTER) != 0) {
            throw SystemException(path, errno);
        }
        for (const char *file : {PID, CONTROL, NEW_PROPERTIES}) {
            ::unlink((path + "/" + file).c_str());
        }
        folder.lock = lockIn(path, anchor);
        folder.socket = listenIn(path, backlog);
        const std::string properties = path + "/" + NEW_PROPERTIES;
        write(properties, fmt::format(R"({}"pool_pid":{},"httpd_pid":{},"started_at":{:.2f},"control":{}}})"
                                      "\n",
                                      propertiesFor(anchor), pool, parentOf(anchor), startOf(anchor),
                                      jsonString(path + "/" + CONTROL)));
        if (::rename(properties.c_str(), (path + "/" + PROPERTIES).c_str()) != 0) {
            throw SystemException(properties, errno);
        }
    } catch (...) {
        removeAt(path, std::nullopt);
        throw;
    }
    return folder;
}

}  // namespace

RegistryFolder RegistryFolder::make(const std::string &parent, unsigned backlog, pid_t anchor, pid_t pool) {
    makeMissingFolder(parent, 0755);
    checkFolderTrust(parent);
    if (const std::string left = removeDead(parent, anchor); !left.empty()) {
        try {
            return fill(above(parent) + left, backlog, anchor, pool);
        } catch (const SystemException &) {
            // Another program has removed the folder, or holds its lock.
        }
    }
    std::string path = fmt::format("{}{}{}", above(parent), PREFIX, std::string(RANDOM_LETTERS, 'X'));
    if (::mkdtemp(path.data()) == nullptr) {
        throw SystemException("no folder can be made in " + parent, errno);
    }
    return fill(path, backlog, anchor, pool);
}

bool RegistryFolder::stands() const {
    struct stat own {};
    struct stat found {};
    for (const char *file : {CONTROL, PROPERTIES, PID}) {
        if (::fstatat(folder.get(), file, &found, AT_SYMLINK_NOFOLLOW) != 0) {
            return false;
        }
    }
    return ::fstat(lock.get(), &own) == 0 && own.st_dev == found.st_dev && own.st_ino == found.st_ino;
}

void RegistryFolder::remove(const std::string &path, pid_t anchor) noexcept {
    removeAt(path, anchor);
}

bool RegistryFolder::isIn(const std::string &parent, const std::string &path) {
    const std::string name = path.substr(path.rfind('/') + 1);
    return !parent.empty() && hasForm(name) && path == above(parent) + name;
}

}  // namespace Passenger
