#pragma once

#include <ctime>
#include <optional>
#include <string>

namespace Passenger {

/**
 * Notices a request to restart an application: restart.txt in its restart folder has another mtime than before (forwards or backwards) or
 * has appeared, or always_restart.txt is there. The paths are resolved afresh each time, so that a `current` link may move.
 *
 * Looking may block on a slow file system: never on the event loop. Not thread-safe.
 */
class RestartFiles {
public:
    /** What is there now is where it starts from. @param restartDir relative to appRoot, or absolute */
    RestartFiles(const std::string &appRoot, const std::string &restartDir);
    /** Whether a restart was asked for since the last call. */
    bool changed();
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

    std::string restartFile_;
    std::string alwaysFile_;
    std::optional<Stamp> last_;
};

}  // namespace Passenger
