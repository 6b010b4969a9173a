#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/FileDescriptor.h"
#include "base/FileRights.h"

namespace Passenger {

/** What inotify_init1 gives. @throws SystemException */
FileDescriptor openInotify();

/**
 * Says at once that entries of folders came, or that their times or contents changed (inotify). A hint, no more: network file systems do
 * not tell what other machines do, and there may be fewer watches than folders. What cannot be had is logged once, and done without.
 *
 * Not thread-safe. All methods may block on the file system.
 */
class FolderWatches {
public:
    using Opener = std::function<FileDescriptor()>;
    /** Of each folder, by its path, the names of the entries that matter. */
    using Entries = std::map<std::string, std::set<std::string>>;

    /** @param rights with which the folders are looked at, and have to be readable; none: our own */
    struct Wish {
        Entries entries;
        std::optional<FileRights> rights = std::nullopt;
    };

    explicit FolderWatches(Opener open = openInotify) : open_(std::move(open)) {}

    /** From now on watches these folders instead of the earlier ones. Their paths are resolved afresh; those that do not exist or may
     *  not be read are left out. What happened to a folder before it is watched, one has to look for oneself. */
    void follow(const std::vector<Wish> &wishes);
    /** Watches nothing any more. */
    void stop();
    /** Takes what has happened; does not wait. @return whether some of it was about the entries, or may have been */
    bool read();
    /** To be polled for reading; -1 while nothing is watched. */
    int descriptor() const noexcept {
        return inotify_.get();
    }

private:
    bool open();
    void add(const std::string &folder, const std::set<std::string> &names,
             std::map<int, std::set<std::string>> &watches);
    bool concerns(int watch, unsigned what, const char *name) const;

    const Opener open_;
    bool unavailable_ = false;
    bool full_ = false;
    FileDescriptor inotify_;
    /** Names by inotify's number of the folder: several paths may lead to one folder. */
    std::map<int, std::set<std::string>> watches_;
};

}  // namespace Passenger
