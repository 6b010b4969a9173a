#include "restart/FolderWatches.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include "base/Exceptions.h"
#include "base/Lists.h"
#include "log/Log.h"
#include "rights/Rights.h"

namespace Passenger {

namespace {

constexpr std::size_t BUFFER_SIZE = 65'536;

}  // namespace

FileDescriptor openInotify() {
    FileDescriptor inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    throwUnless(inotify, "inotify_init1");
    return inotify;
}

bool FolderWatches::open() {
    try {
        if (!inotify_) {
            inotify_ = open_();
        }
        unavailable_ = false;
    } catch (const SystemException &error) {
        if (!std::exchange(unavailable_, true) && files_ == Files::RESTART) {
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
    const bool wasFull = std::exchange(full_, false);
    const auto looks = listOf(wishes, [this](const Wish &wish) {
        return FolderLook{listOf(wish.entries, [](const auto &entry) { return entry.first; }), wish.user,
                          files_ == Files::LOGS};
    });
    std::map<int, std::set<std::string>> watches;
    // An application whose user's rights cannot be taken does not start either, and its failed
    // start is logged. The other applications are still watched.
    const auto added = Rights::ofThisProcess().watch(inotify_, looks);
    for (std::size_t i = 0; i < added.size() && i < wishes.size(); ++i) {
        note(wishes[i], looks[i].folders, added[i], watches, wasFull);
    }
    for (const auto &[watch, names] : watches_) {
        if (!watches.contains(watch)) {
            // The call fails if the folder is gone: the kernel has already removed its watch.
            ::inotify_rm_watch(inotify_.get(), watch);
        }
    }
    watches_ = std::move(watches);
}

void FolderWatches::note(const Wish &wish, const std::vector<std::string> &folders, const std::vector<int> &added,
                         std::map<int, std::set<std::string>> &watches, bool wasFull) {
    for (std::size_t i = 0; i < added.size() && i < folders.size(); ++i) {
        if (added[i] >= 0) {
            const auto &names = wish.entries.at(folders[i]);
            watches[added[i]].insert(names.begin(), names.end());
        } else {
            noticeFull(folders[i], -added[i], wasFull);
        }
    }
}

void FolderWatches::noticeFull(const std::string &folder, int error, bool wasFull) {
    if (files_ == Files::RESTART && (error == ENOSPC || error == ENOMEM) && !std::exchange(full_, true) && !wasFull) {
        Log::notice(
            "event=restart.watches_exhausted folder=\"{}\" error=\"{}\" effect=\"restart files in this and further "
            "folders are checked only every PassengerStatThrottleRate seconds\" see=\"sysctl "
            "fs.inotify.max_user_watches\"",
            folder, std::strerror(error));
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
