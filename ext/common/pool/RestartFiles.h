#pragma once

#include <ctime>
#include <optional>
#include <string>

#include "base/Mutex.h"

namespace Passenger {

/**
 * Notices a request to restart an application: restart.txt in its restart folder has another mtime than before (forwards or backwards) or
 * has appeared, or always_restart.txt is there. The paths are resolved afresh each time, so that a `current` link may move.
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
    const std::string &folder() const noexcept {
        return folder_;
    }
    /** The first call of it or of changed() notes what is there: where it starts from. To be called before an instance is started. */
    void begin() EXCLUDES(mutex_);
    /** Whether a restart was asked for since the last call. */
    bool changed() EXCLUDES(mutex_);
    /** Whether always_restart.txt is there: each check restarts. */
    bool always() const;

private:
    struct Stamp {
        timespec modified;
        friend bool operator==(const Stamp &a, const Stamp &b) {
            return a.modified.tv_sec == b.modified.tv_sec && a.modified.tv_nsec == b.modified.tv_nsec;
        }
    };
    std::optional<Stamp> look() const;

    const std::string folder_;
    const std::string restartFile_;
    const std::string alwaysFile_;
    Mutex mutex_{Locks::RESTART_FILES};
    bool begun_ GUARDED_BY(mutex_) = false;
    std::optional<Stamp> last_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
