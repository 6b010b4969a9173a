#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <vector>

#include "base/Clock.h"
#include "policy/Heartbeats.h"
#include "prefork/WorkerProcess.h"

namespace Passenger {

/**
 * Finds workers that are silent for too long. They give no sign of life for the timeout, or no
 * first sign for the start timeout, or have a closed standard output. Knows ids and times only. Not
 * thread-safe; the monitor owns it and uses it on its loop.
 */
class SilenceWatch {
public:
    /**
     * Zero: without limit. A start timeout of zero means that the timeout counts from the start.
     */
    void setTimeouts(std::chrono::milliseconds timeout, std::chrono::milliseconds startTimeout);
    /** How often a worker is to send a sign of life. Zero: not at all. */
    std::chrono::milliseconds ackInterval() const;

    void addStarting(WorkerId id, MonotonicTime now);
    void noteSign(WorkerId id, MonotonicTime now);
    /** The worker closed its standard output. It usually ends at the same time. */
    void noteMute(WorkerId id, MonotonicTime now);
    void forget(WorkerId id);

    /** The next look for workers over the timeout is after `interval`. Zero: there is none. */
    void planCheck(MonotonicTime now, std::chrono::milliseconds interval);
    bool checkDue(MonotonicTime now) const { return nextCheck_ && now >= *nextCheck_; }
    /** Workers over the timeout. Workers that a start timeout covers are not among them. */
    std::vector<WorkerId> overdue(MonotonicTime now);
    /** Workers that closed their standard output some time ago and have not ended. */
    std::vector<WorkerId> mute(MonotonicTime now) const;
    /** Workers over the start timeout. */
    std::vector<WorkerId> startingTooLong(MonotonicTime now) const;
    /** When any of these functions may find a worker next. */
    std::optional<MonotonicTime> nextDue() const;

private:
    using Times = std::map<WorkerId, MonotonicTime>;

    Heartbeats<WorkerId> heartbeats_;
    std::chrono::milliseconds startTimeout_{0};
    std::optional<MonotonicTime> nextCheck_;
    /** When starting workers are over the start timeout. Empty without a start timeout. */
    Times startDeadlines_;
    /** When workers that closed their standard output are to be ended. */
    Times muteDeadlines_;
};

}  // namespace Passenger
