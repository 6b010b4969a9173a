#pragma once

#include <ctime>
#include <optional>
#include <string>

#include "base/FileRights.h"
#include "base/Mutex.h"

namespace Passenger {

/** A folder in which restart files are looked for, and with whose rights; none: our own. */
struct RestartFolder {
    std::string path;
    std::optional<FileRights> rights = std::nullopt;

    friend bool operator==(const RestartFolder &, const RestartFolder &) = default;
};

/**
 * Notices a request to restart an application: restart.txt in its restart folder has another mtime than before (forwards or backwards) or
 * has appeared, or always_restart.txt is there. The paths are resolved afresh each time, so that a `current` link may move, and with the rights of
 * the application's user.
 *
 * Looking may block on a slow file system: never on the event loop, nor with the pool's lock held. Thread-safe.
 */
class RestartFiles {
public:
    static constexpr const char *FILE_NAME = "restart.txt";
    static constexpr const char *ALWAYS_FILE_NAME = "always_restart.txt";

    /** Looks at nothing yet. @param restartDir relative to appRoot, or absolute */
    RestartFiles(const std::string &appRoot, const std::string &restartDir);
    /** Where the files are looked for; it need not exist. */
    RestartFolder folder() const EXCLUDES(mutex_);
    /** The first call of it or of changed() notes what is there: where it starts from. To be called before an instance is started.
     *  @param rights from now on @throws SystemException, IOException: these cannot be taken */
    void begin(const std::optional<FileRights> &rights = std::nullopt) EXCLUDES(mutex_);
    /** It starts from nothing, as the rights are not known yet. */
    void beginUnseen() EXCLUDES(mutex_);
    /** Whether begin() has told the rights. */
    bool knowsRights() const EXCLUDES(mutex_);
    /** Whether a restart was asked for since the last call. */
    bool changed() EXCLUDES(mutex_);
    /** Whether always_restart.txt is there: each check restarts. */
    bool always() const EXCLUDES(mutex_);

private:
    struct Stamp {
        timespec modified;
        friend bool operator==(const Stamp &a, const Stamp &b) {
            return a.modified.tv_sec == b.modified.tv_sec && a.modified.tv_nsec == b.modified.tv_nsec;
        }
    };
    static std::optional<Stamp> look(const std::string &file, const std::optional<FileRights> &rights);

    const std::string folder_;
    const std::string restartFile_;
    const std::string alwaysFile_;
    mutable Mutex mutex_{Locks::RESTART_FILES};
    bool knowsRights_ GUARDED_BY(mutex_) = false;
    std::optional<FileRights> rights_ GUARDED_BY(mutex_);
    bool begun_ GUARDED_BY(mutex_) = false;
    std::optional<Stamp> last_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
