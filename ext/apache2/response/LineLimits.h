#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/Clock.h"
#include "base/LogLimit.h"
#include "base/Mutex.h"

namespace Passenger {

/**
 * Limits the log lines of an httpd child that clients or applications can cause by the thousand:
 * LogLimit for each event of each application, and for each status. So no application hides the
 * lines of another one, and many lines of one kind hide no other kind. The first line of a kind is
 * always written. Owned by the AnswerLimits of an httpd child. Thread-safe.
 */
class LineLimits {
public:
    explicit LineLimits(const Clock &clock) noexcept : clock_(clock) {}

    /** @param status of the response; 0: the event's lines have none
     *  @return the number of such lines left out since the last one; nothing: this line is to be
     *  left out. Without memory the line is written. */
    std::optional<unsigned> mayLog(std::string_view app, std::string_view event, int status = 0) noexcept
        EXCLUDES(mutex_);

private:
    std::optional<unsigned> find(std::string kind) EXCLUDES(mutex_);

    struct Lines {
        LogLimit limit;
        unsigned leftOut = 0;
    };
    /** Above this number, kinds without a line in LogLimit::INTERVAL are forgotten, with the number
     *  of their lines that were left out. */
    static constexpr std::size_t FEW = 1000;

    const Clock &clock_;
    Mutex mutex_{Locks::LINE_LIMITS};
    std::unordered_map<std::string, Lines> lines_ GUARDED_BY(mutex_);
    /** The number of kinds at which the next ones are forgotten. */
    std::size_t most_ GUARDED_BY(mutex_) = FEW;
};

}  // namespace Passenger
