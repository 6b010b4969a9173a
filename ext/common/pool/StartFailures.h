#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/Clock.h"
#include "base/StrongId.h"
#include "policy/Backoff.h"
#include "pool/GetFailure.h"
#include "pool/Process.h"
#include "pool/RecentReports.h"
#include "pool/RepeatedDeaths.h"
#include "pool/Snapshot.h"

namespace Passenger {

/**
 * Remembers which starts of an application failed: when the next attempt may be made, and with
 * which failure a request is refused until then.
 *
 * Owned by the Group; guarded by the pool's lock. All times are passed in.
 */
class StartFailures {
public:
    /** Both arguments outlive this object. */
    StartFailures(const std::string &app, RecentReports &reports) : app_(app), reports_(reports) {}

    /** The refusal of requests after an exception that ended a spawn. */
    static GetFailure describe(const std::exception &error);
    /** The refusal of requests after several instances that ended soon after their start.
     *  @param last the last of these instances */
    GetFailure describe(const Process &last) const;

    Backoff &backoff() noexcept { return backoff_; }
    /** Whether starts fail, or instances die, one after the other. */
    bool crashLooping() const noexcept { return backoff_.looping(); }
    /** Refuses a request before it is in the queue. Only after a failure.
     *  @throws RefusedException */
    [[noreturn]] void refuse();
    bool mayTry(MonotonicTime now) const noexcept { return backoff_.mayTry(now); }
    /** See Backoff::mayTryUnasked(). */
    bool mayTryUnasked() const noexcept { return backoff_.mayTryUnasked(); }
    /** When a start last failed; nothing: never. */
    std::optional<MonotonicTime> lastFailure() const noexcept {
        return last_ ? std::optional(last_->when) : std::nullopt;
    }
    MonotonicTime notBefore() const noexcept { return backoff_.notBefore(); }
    /** Whether the instance that has just died before an answer is not replaced soon.
     *  @param asked whether a request waits */
    bool givesUpForNow(MonotonicTime now, bool asked) const noexcept;
    /** How many of the `missing` instances may be started while `starting` are on their way: one at
     *  a time after a failure. */
    unsigned limit(unsigned missing, unsigned starting) const noexcept;

    /**
     * An instance ended without an order. A death by a request that was sent again after another
     * death does not count.
     * @param claimed as RepeatedDeaths'
     * @param since, lastAnswer as Backoff's
     */
    void instanceDied(const std::vector<std::pair<ChannelId, Ticket>> &claimed, MonotonicTime now, MonotonicTime since,
                      MonotonicTime lastAnswer);
    /** An instance serves. */
    void succeeded() noexcept;
    /** The application has changed. */
    void forget() noexcept;
    /**
     * Logs the failure with its report, and keeps the report for a while. A failure like the last
     * one, and within an hour of it, gets that one's id and a single line.
     */
    void report(const char *event, GetFailure &failure, MonotonicTime now);
    /**
     * The application is down.
     * @param generation of the queue that was closed; none: there was none
     */
    void wentDown(const GetFailure &failure, Generation generation);

    /** Why the application is down; nothing: it has not failed since it last served. */
    const std::optional<GetFailure> &failure() const noexcept { return failure_; }
    /** Whether the application went down with this generation. A child that comes too late to be
     *  found in the in-flight table is refused when it asks again. */
    bool wentDownWith(Generation generation) const noexcept {
        return failure_ && generation && generation == generation_;
    }
    /** Whether no start has succeeded since the application went down. A restart does not change
     *  it. */
    bool isDown() const noexcept { return down_; }
    /** The last failure, whatever happened since. */
    std::optional<FailureSnapshot> last(MonotonicTime now) const;

private:
    struct Last {
        std::string reportId;
        /** How often it was repeated. */
        unsigned repeats = 0;
        std::string summary;
        std::string remedy;
        MonotonicTime when;
    };

    const std::string &app_;
    RecentReports &reports_;
    Backoff backoff_;
    RepeatedDeaths repeatedDeaths_;
    std::optional<GetFailure> failure_;
    Generation generation_;
    bool down_ = false;
    std::optional<Last> last_;
    /** What repeated failures have in common with the last one; empty: the next one is reported in
     *  full. */
    std::string nature_;
};

}  // namespace Passenger
