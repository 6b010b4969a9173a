#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/FileDescriptor.h"
#include "rights/RunAs.h"

namespace Passenger {

/** The result of inotify_init1(). @throws SystemException */
FileDescriptor openInotify();

/**
 * Reports at once that entries of folders appeared, or that their times or contents changed
 * (inotify). The report is only a hint. Network file systems do not report changes by other
 * machines, and the number of watches is limited. A watch that cannot be set is logged once,
 * until all can be set; the folder is then not watched. Each follow() tries again.
 *
 * Not thread-safe. All methods may block on the file system.
 */
class FolderWatches {
public:
    using Opener = std::function<FileDescriptor()>;
    /** For each folder's path, the names of the entries to watch. */
    using Entries = std::map<std::string, std::set<std::string>>;

    /**
     * @param entries of the folders of a path: each leads to the next one. Writes to an entry count
     *     in the last folder only
     * @param user who watches the folders, which must be readable, as of a FolderLook
     */
    struct Wish {
        Entries entries;
        RunAs user{};
    };

    /** LOGS: each write to an entry counts, not only its end. A shortage of inotify is not logged:
     *  the log monitor looks once a second, too. */
    enum class Files { RESTART, LOGS };

    explicit FolderWatches(Opener open = openInotify, Files files = Files::RESTART)
        : open_(std::move(open)), files_(files) {}

    /**
     * Replaces the watched folders by these. The paths are resolved anew. Folders that do not exist
     * or are not readable are left out. Changes before the call are not reported; the caller checks
     * for them itself.
     */
    void follow(const std::vector<Wish> &wishes);
    /** Removes all watches. */
    void stop();
    /**
     * Reads the pending events; does not wait.
     * @return whether one of them may concern a watched entry
     */
    bool read();
    /** To poll for reading; -1 while no folder is watched. */
    int descriptor() const noexcept { return inotify_.get(); }

private:
    bool open();
    void note(const Wish &wish, const std::vector<std::string> &folders, const std::vector<int> &added,
              std::map<int, std::set<std::string>> &watches, bool wasFull);
    void noticeFull(const std::string &folder, int error, bool wasFull);
    bool concerns(int watch, unsigned what, const char *name) const;

    const Opener open_;
    const Files files_;
    /** At the last follow(): no inotify, too few watches. */
    bool unavailable_ = false;
    bool full_ = false;
    FileDescriptor inotify_;
    /** Names by inotify's watch number of the folder: several paths may lead to one folder. */
    std::map<int, std::set<std::string>> watches_;
};

}  // namespace Passenger
