#pragma once

#include <chrono>
#include <map>
#include <string>

#include "base/Clock.h"

namespace Passenger {

/**
 * Files whose last request has timed out, as of a file system that does not answer. Requests about
 * them fail at once for a minute; after each further time-out for twice as long, an hour at most.
 * Requests that wait at the same time and time out count once. A request that is not sent leaves no
 * process behind.
 *
 * Owned by a RightsClient. A plain value; the caller passes the time. Files have any name, such as
 * that of their user.
 */
class SilentFiles {
public:
    /** Whether the last request has timed out. */
    bool contains(const std::string &files) const { return silences_.contains(files); }
    /** One request follows the end of a silence; others fail meanwhile.
     *  @throws TimeoutException during the silence */
    void ask(const std::string &files, MonotonicTime now);
    void answered(const std::string &files) { silences_.erase(files); }
    /** The request got no answer for another reason: it does not count, and a further one may
     *  follow. */
    void notAsked(const std::string &files, MonotonicTime now);
    /** @return how long the silence lasts */
    std::chrono::minutes timedOut(const std::string &files, MonotonicTime now);

private:
    struct Silence {
        MonotonicTime until;
        std::chrono::minutes pause{0};
        /** A request has followed the silence, and its end is not known yet. */
        bool probes = false;
    };
    std::map<std::string, Silence> silences_;
};

}  // namespace Passenger
