#include "agent/InstanceRegistry.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/FolderTrust.h"
#include "base/Json.h"
#include "base/Poll.h"
#include "log/Log.h"

namespace Passenger {

namespace {

constexpr std::string_view PREFIX = "passenger.";
constexpr const char *PID = "pid";
constexpr const char *PROPERTIES = "properties.json";
constexpr const char *CONTROL = "control";
/** The age up to which an agent may not yet have locked `pid`. */
constexpr std::time_t YOUNG_SECONDS = 60;
constexpr std::chrono::seconds ANSWER_LIMIT{2};
/** The pause after a connection that cannot be accepted. */
constexpr std::chrono::milliseconds PAUSE{100};

/** @return whether the agent of the folder lives; a new folder counts as alive @param folder
 *  open */
bool isAlive(int folder, const struct stat &status) {
    const FileDescriptor pid(::openat(folder, PID, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!pid) {
        return std::time(nullptr) - status.st_ctim.tv_sec < YOUNG_SECONDS;
    }
    struct stat file {};
    const bool written = ::fstat(pid.get(), &file) == 0 && file.st_size > 0;
    return ::flock(pid.get(), LOCK_EX | LOCK_NB) != 0 ||
           (!written && std::time(nullptr) - file.st_ctim.tv_sec < YOUNG_SECONDS);
}

/** Removes folders of dead agents, of this process's user only. Of a folder's files, only those
 *  that an agent makes are removed. */
void removeDead(const std::string &parent) {
    const std::unique_ptr<DIR, int (*)(DIR *)> listing(::opendir(parent.c_str()), ::closedir);
    while (const dirent *entry = listing ? ::readdir(listing.get()) : nullptr) {
        const std::string_view name = entry->d_name;
        if (!name.starts_with(PREFIX) || name.size() != PREFIX.size() + 6) {
            continue;
        }
        const int above = ::dirfd(listing.get());
        const FileDescriptor folder(::openat(above, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        struct stat status {};
        if (!folder || ::fstat(folder.get(), &status) != 0 || status.st_uid != ::geteuid() ||
            isAlive(folder.get(), status)) {
            continue;
        }
        for (const char *file : {CONTROL, PROPERTIES, PID}) {
            ::unlinkat(folder.get(), file, 0);
        }
        if (::unlinkat(above, entry->d_name, AT_REMOVEDIR) == 0) {
            Log::notice("event=registry.cleaned folder=\"{}/{}\" reason=\"its agent has ended\"", parent, name);
        }
    }
}

/** The fourth field of /proc/PID/stat, behind the name. */
pid_t parentOf(pid_t pid) {
    std::array<char, 512> buffer{};
    const FileDescriptor file(::open(fmt::format("/proc/{}/stat", pid).c_str(), O_RDONLY | O_CLOEXEC));
    if (!file || ::read(file.get(), buffer.data(), buffer.size() - 1) <= 0) {
        return 0;
    }
    const char *behind = std::strrchr(buffer.data(), ')');
    return behind == nullptr ? 0 : static_cast<pid_t>(std::strtol(behind + 4, nullptr, 10));
}

bool mayAsk(const FileDescriptor &connection) {
    ucred peer{};
    socklen_t size = sizeof peer;
    return ::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == ::geteuid());
}

/** Sends as much as the peer takes within the limit. */
void send(const FileDescriptor &connection, std::string_view text) {
    const auto deadline = deadlineIn(ANSWER_LIMIT);
    while (!text.empty() && pollUntil(connection.get(), POLLOUT, deadline)) {
        const ssize_t sent = ::send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            return;
        }
        text.remove_prefix(static_cast<std::size_t>(sent));
    }
}

}  // namespace

InstanceRegistry::InstanceRegistry(std::function<std::string()> status) : status_(std::move(status)) {}

InstanceRegistry::~InstanceRegistry() {
    leave();
}

void InstanceRegistry::use(const std::string &parent, unsigned backlog) {
    if (parent == parent_) {
        // A listening socket accepts a new backlog.
        ::listen(socket_.get(), static_cast<int>(std::min<unsigned>(backlog, INT_MAX)));
        return;
    }
    leave();
    if (parent.empty()) {
        return;
    }
    try {
        make(parent, backlog);
    } catch (...) {
        leave();
        throw;
    }
    parent_ = parent;
}

void InstanceRegistry::make(const std::string &parent, unsigned backlog) {
    if (::mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST) {
        throw SystemException("the folder " + parent + " cannot be made", errno);
    }
    checkFolderTrust(parent);
    removeDead(parent);
    std::string folder = fmt::format("{}{}{}XXXXXX", parent, parent.ends_with('/') ? "" : "/", PREFIX);
    if (::mkdtemp(folder.data()) == nullptr) {
        throw SystemException("no folder can be made in " + parent, errno);
    }
    folder_ = folder;
    lock_.reset(::open((folder_ + "/" + PID).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!lock_ || ::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
        throw SystemException(folder_ + "/" + PID, errno);
    }
    const pid_t watchdog = ::getppid();
    const std::string pid = std::to_string(watchdog) + "\n";
    if (::write(lock_.get(), pid.data(), pid.size()) != static_cast<ssize_t>(pid.size())) {
        throw SystemException(folder_ + "/" + PID, errno);
    }
    listen(backlog);
    write(PROPERTIES,
          fmt::format(R"({{"version":"{}","pid":{},"pool_pid":{},"httpd_pid":{},"started_at":{},"control":{}}})"
                      "\n",
                      PASSENGER_VERSION, watchdog, ::getpid(), parentOf(watchdog), std::time(nullptr),
                      jsonString(folder_ + "/" + CONTROL)));
    Log::info("event=registry.made folder=\"{}\"", folder_);
    thread_.start("commands", [this](const FileDescriptor &ending) { run(ending); });
}

/** Binds by a descriptor of the folder, since the path of a socket is limited to 107 bytes. */
void InstanceRegistry::listen(unsigned backlog) {
    const FileDescriptor folder(::open(folder_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    fmt::format_to_n(address.sun_path, sizeof(address.sun_path) - 1, "/proc/self/fd/{}/{}", folder.get(), CONTROL);
    socket_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket_ || ::bind(socket_.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0 ||
        ::listen(socket_.get(), static_cast<int>(std::min<unsigned>(backlog, INT_MAX))) != 0) {
        throw SystemException(folder_ + "/" + CONTROL, errno);
    }
}

void InstanceRegistry::write(const char *name, const std::string &text) const {
    const std::string path = folder_ + "/" + name;
    const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        throw SystemException(path, errno);
    }
}

void InstanceRegistry::leave() noexcept {
    thread_.end();
    socket_.reset();
    if (!folder_.empty()) {
        for (const char *name : {CONTROL, PROPERTIES, PID}) {
            ::unlink((folder_ + "/" + name).c_str());
        }
        ::rmdir(folder_.c_str());
    }
    lock_.reset();
    folder_.clear();
    parent_.clear();
}

void InstanceRegistry::run(const FileDescriptor &ending) {
    bool failing = false;
    for (;;) {
        std::array<pollfd, 2> entries{{{ending.get(), POLLIN, 0}, {socket_.get(), POLLIN, 0}}};
        if (::poll(entries.data(), entries.size(), -1) <= 0) {
            continue;
        }
        if (entries[0].revents != 0) {
            return;
        }
        const FileDescriptor connection(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!connection && errno != EAGAIN && errno != EINTR) {
            // For example, no descriptor is free: the connection stays in the backlog, and the
            // socket stays readable.
            if (!std::exchange(failing, true)) {
                Log::error("event=command.failed error=\"{}\"", SystemException("accept4", errno).what());
            }
            ::poll(entries.data(), 1, static_cast<int>(PAUSE.count()));
            continue;
        }
        failing = false;
        try {
            if (connection && mayAsk(connection)) {
                send(connection, status_());
            }
        } catch (const std::exception &error) {
            Log::error("event=command.failed error=\"{}\"", error.what());
        }
    }
}

}  // namespace Passenger
