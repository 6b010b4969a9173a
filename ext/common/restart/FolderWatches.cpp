#include "restart/FolderWatches.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <exception>

#include "base/Exceptions.h"
#include "log/Log.h"

namespace Passenger {

namespace {

/**
 * An entry appeared, changed its times, or was written. A read or a removal does not request a
 * restart.
 */
constexpr std::uint32_t EVENTS = IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_CLOSE_WRITE | IN_ONLYDIR;
constexpr std::size_t BUFFER_SIZE = 65'536;

}  // namespace

FileDescriptor openInotify() {
    FileDescriptor inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!inotify) {
        throw SystemException("inotify_init1", errno);
    }
    return inotify;
}

bool FolderWatches::open() {
    if (!inotify_ && !unavailable_) {
        try {
            inotify_ = open_();
        } catch (const SystemException &error) {
            unavailable_ = true;
            Log::notice(
                "event=restart.no_inotify error=\"{}\" effect=\"restart files are checked only every "
                "PassengerStatThrottleRate seconds\"",
                error.what());
        }
    }
    return static_cast<bool>(inotify_);
}

void FolderWatches::follow(const std::vector<Wish> &wishes) {
    if (!open()) {
        return;
    }
    std::map<int, std::set<std::string>> watches;
    for (const Wish &wish : wishes) {
        std::optional<AsUser> user;
        try {
            if (wish.rights) {
                user.emplace(*wish.rights);
            }
        } catch (const std::exception &) {
            // An application whose user's rights cannot be taken does not start either, and its
            // failed start is logged. The other applications are still watched.
            continue;
        }
        for (const auto &[folder, names] : wish.entries) {
            add(folder, names, watches);
        }
    }
    for (const auto &[watch, names] : watches_) {
        if (!watches.contains(watch)) {
            // The call fails if the folder is gone: the kernel has already removed its watch.
            ::inotify_rm_watch(inotify_.get(), watch);
        }
    }
    watches_ = std::move(watches);
}

void FolderWatches::add(const std::string &folder, const std::set<std::string> &names,
                        std::map<int, std::set<std::string>> &watches) {
    const int watch = ::inotify_add_watch(inotify_.get(), folder.c_str(), EVENTS);
    if (watch >= 0) {
        watches[watch].insert(names.begin(), names.end());
    } else if ((errno == ENOSPC || errno == ENOMEM) && !full_) {
        full_ = true;
        Log::notice(
            "event=restart.watches_exhausted folder=\"{}\" error=\"{}\" effect=\"restart files in this and further "
            "folders are checked only every PassengerStatThrottleRate seconds\" see=\"sysctl "
            "fs.inotify.max_user_watches\"",
            folder, std::strerror(errno));
    }
}

void FolderWatches::stop() {
    inotify_.reset();
    watches_.clear();
}

bool FolderWatches::read() {
    alignas(inotify_event) std::array<char, BUFFER_SIZE> buffer;
    bool concerned = false;
    for (;;) {
        const ssize_t size = ::read(inotify_.get(), buffer.data(), buffer.size());
        if (size <= 0) {
            return concerned;
        }
        inotify_event event{};
        for (std::size_t at = 0; at < static_cast<std::size_t>(size); at += sizeof event + event.len) {
            std::memcpy(&event, &buffer[at], sizeof event);
            const char *name = event.len > 0 ? &buffer[at + sizeof event] : "";
            concerned = concerned || concerns(event.wd, event.mask, name);
        }
    }
}

bool FolderWatches::concerns(int watch, unsigned what, const char *name) const {
    if ((what & IN_Q_OVERFLOW) != 0) {
        return true;
    }
    const auto found = watches_.find(watch);
    return found != watches_.end() && found->second.contains(name);
}

}  // namespace Passenger
