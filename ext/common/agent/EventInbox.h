#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/FileDescriptor.h"
#include "base/Mutex.h"

namespace Passenger {

/**
 * Events of the log that wait for the command of PassengerOnEvent. An event of an application comes
 * once a minute at most. Events beyond MOST_WAITING are dropped and counted. Thread-safe.
 */
class EventInbox {
public:
    using TimePoint = std::chrono::steady_clock::time_point;
    static constexpr std::size_t MOST_WAITING = 16;
    static constexpr std::chrono::minutes PAUSE{1};
    /** So many events are remembered for PAUSE; further ones come as if they were new. */
    static constexpr std::size_t MOST_REMEMBERED = 1024;

    /** @throws SystemException */
    EventInbox();

    /** Takes a line of the log if it is one of the events. Does not wait. */
    void note(std::string_view line, TimePoint now) EXCLUDES(mutex_);
    /** The line of the oldest event. */
    std::optional<std::string> take() EXCLUDES(mutex_);
    /** The number of events dropped since the last call. */
    std::size_t takeDropped() EXCLUDES(mutex_);
    /** Readable if an event may have come since the last take(). */
    const FileDescriptor &arrivals() const noexcept { return arrivals_; }

private:
    bool isTooEarly(const std::string &event, TimePoint now) REQUIRES(mutex_);

    /** An eventfd. */
    const FileDescriptor arrivals_;
    Mutex mutex_{Locks::EVENT_INBOX};
    std::deque<std::string> waiting_ GUARDED_BY(mutex_);
    std::size_t dropped_ GUARDED_BY(mutex_) = 0;
    /** By name and application. */
    std::map<std::string, TimePoint> last_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
