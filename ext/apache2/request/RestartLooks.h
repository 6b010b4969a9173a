#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string_view>

#include "apache2/request/NameCache.h"
#include "base/Mutex.h"

namespace Passenger {

/**
 * What this process has seen of applications' restart files and told the agent. With
 * PassengerRollingRestarts Off a request looks at the files itself. So the request after a change
 * gets the new version, even if the agent's own watch has not noticed the change yet.
 *
 * One for each httpd child, used by all its threads.
 */
class RestartLooks {
public:
    /** restart.txt at one moment. */
    struct Look {
        /** The agent has to look in any case: always_restart.txt exists, or this process may not
         *  see the files. */
        bool uncertain = false;
        /** All zero: there is no restart.txt. */
        dev_t device = 0;
        ino_t inode = 0;
        std::int64_t seconds = 0;
        std::int64_t nanoseconds = 0;

        friend bool operator==(const Look &, const Look &) = default;
    };

    /** Blocks on the file system. @param restartDir relative to appRoot, or absolute */
    static Look at(std::string_view appRoot, std::string_view restartDir);

    /** Whether the agent has to look at the files of the application. */
    bool isNews(std::string_view app, const Look &look) EXCLUDES(mutex_);
    /** The agent has looked after this look, and has restarted the application if need be. */
    void settled(std::string_view app, const Look &look) EXCLUDES(mutex_);

private:
    Mutex mutex_{Locks::RESTART_LOOKS};
    NameCache<Look> settled_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
