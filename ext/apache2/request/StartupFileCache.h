#pragma once

#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "apache2/request/NameCache.h"
#include "base/Mutex.h"

namespace Passenger {

/**
 * Remembers for a second whether an application's startup file exists and which program its first
 * line names, where a folder that is a link leads, and what a package.json starts. So there is one
 * system call a second instead of one a request. Also remembers the applications that have answered
 * requests of this process, and how they were started. So a startup file that is missing for a time
 * refuses no request to them.
 *
 * One for each httpd child, used by all its threads.
 */
class StartupFileCache {
public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds MAX_AGE{1};

    /** What an application was started by. */
    struct Start {
        /** As AppFinder::type. */
        std::string type;
        std::string file;
        friend bool operator==(const Start &, const Start &) = default;
    };

    /** @param again looks in any case
     *  @return 0 if the file exists, else the errno of the look */
    int look(std::string_view path, Clock::time_point now, bool again = false) EXCLUDES(mutex_);

    /** The program of the file's first line, as `node` of `#!/usr/bin/env node`. Empty: the line
     *  names none, or httpd cannot read it. @param again as of look() */
    std::string interpreter(std::string_view path, Clock::time_point now, bool again = false) EXCLUDES(mutex_);

    /** The target of the link `path`, one step far; the path itself if it is no link. Links within
     *  the target or in between are not resolved: `current` stays `current`. @param path without a
     *  slash at its end */
    std::string follow(std::string_view path, Clock::time_point now) EXCLUDES(mutex_);

    /** NodePackage::startupFile() of the folder. */
    std::string nodeStart(std::string_view folder, Clock::time_point now) EXCLUDES(mutex_);
    /** The application has answered a request. */
    void served(std::string_view app, std::string_view type, std::string_view file) EXCLUDES(mutex_);
    /** No instance of the application could be started. */
    void notServed(std::string_view app) EXCLUDES(mutex_);
    /** Nothing: the application has not answered, or did not start since. */
    std::optional<Start> startOf(std::string_view app) const EXCLUDES(mutex_);

    /** NodePackage::problem() of the folder. */
    std::string packageProblem(std::string_view folder, Clock::time_point now) EXCLUDES(mutex_);

private:
    template <typename Value> struct Entry {
        Clock::time_point lookedAt;
        Value value{};
    };
    template <typename Value> using Names = NameCache<Entry<Value>>;

    template <typename Value>
    Value remember(Names<Value> StartupFileCache::*names, std::string_view path, Clock::time_point now,
                   Value (*find)(const std::string &), bool again = false) EXCLUDES(mutex_);

    mutable Mutex mutex_{Locks::STARTUP_FILE_CACHE};
    Names<int> errors_ GUARDED_BY(mutex_);
    Names<std::string> interpreters_ GUARDED_BY(mutex_);
    Names<std::string> targets_ GUARDED_BY(mutex_);
    Names<std::string> nodeStarts_ GUARDED_BY(mutex_);
    Names<std::string> packageProblems_ GUARDED_BY(mutex_);
    NameCache<Start> served_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
