#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/Mutex.h"

namespace Passenger {

/**
 * The last events of each application, as they are in the log: lines that begin with `event=NAME`
 * and have `app="NAME"`. Events of an application that had none for longest go when there are too
 * many applications. Thread-safe.
 */
class RecentEvents {
public:
    static constexpr std::size_t MOST_OF_AN_APP = 50;
    static constexpr std::size_t MOST_APPS = 4096;
    /** Longer texts and names of applications are cut. In bytes. */
    static constexpr std::size_t MAX_TEXT = 500;

    struct Event {
        std::chrono::system_clock::time_point at;
        /** For example "instance.exited". */
        std::string name;
        /** The rest of the line, without `app`. */
        std::string text;
    };

    /** A line without the two fields is ignored. */
    void note(std::string_view line, std::chrono::system_clock::time_point now) EXCLUDES(mutex_);
    /** The newest last. */
    std::vector<Event> of(const std::string &app) const EXCLUDES(mutex_);

private:
    void dropOldest() REQUIRES(mutex_);

    mutable Mutex mutex_{Locks::RECENT_EVENTS};
    std::unordered_map<std::string, std::deque<Event>> events_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
