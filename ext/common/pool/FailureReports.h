#pragma once

#include <exception>
#include <optional>
#include <string>

#include "base/Clock.h"
#include "control/AppStatus.h"
#include "pool/GetFailure.h"
#include "pool/Process.h"
#include "pool/RecentReports.h"

namespace Passenger {

/**
 * Describes the failures of an application's starts, and remembers the last one.
 *
 * Owned by the Group; guarded by the pool's lock. All times are passed in.
 */
class FailureReports {
public:
    /** Both arguments outlive this object. */
    FailureReports(const std::string &app, RecentReports &reports) : app_(app), reports_(reports) {}

    static GetFailure describe(const std::exception &error);
    /** The refusal of requests after several instances that ended soon after their start.
     *  @param last the last of these instances */
    GetFailure describe(const Process &last) const;

    /** The application has changed: its next failure is reported in full. */
    void changed() noexcept { nature_.clear(); }
    /**
     * Logs the failure with its report, and keeps the report for a while. A failure like the last
     * one, and within an hour of it, gets that one's id and a single line.
     */
    void report(const char *event, GetFailure &failure, MonotonicTime now);
    /** The last failure, whatever happened since. */
    std::optional<FailureStatus> last(MonotonicTime now) const;

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
    std::optional<Last> last_;
    /** What repeated failures have in common with the last one; empty: the next one is reported in
     *  full. */
    std::string nature_;
};

}  // namespace Passenger
