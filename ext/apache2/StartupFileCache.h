#pragma once

#include <cerrno>
#include <chrono>
#include <string>
#include <unordered_map>

#include "base/Mutex.h"

namespace Passenger {

/**
 * Remembers for a second whether an application's startup file is there: one stat(2) a second instead of one a request.
 *
 * One for each httpd child, used by all its threads.
 */
class StartupFileCache {
public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds MAX_AGE{1};
    /** More names than this come from mass virtual hosting with changing names; then it begins anew. */
    static constexpr std::size_t MAX_ENTRIES = 10'000;

    /** 0 when the file is there, else the errno that says why not. */
    int look(const std::string &path, Clock::time_point now) EXCLUDES(mutex_);

private:
    struct Entry {
        Clock::time_point lookedAt;
        int error = 0;
    };

    Mutex mutex_{Locks::STARTUP_FILE_CACHE};
    std::unordered_map<std::string, Entry> entries_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
