#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "apache2/request/UsageLedger.h"
#include "base/Clock.h"

namespace Passenger {

/**
 * Counts the connections that an application has taken over and that threads of httpd relay, over
 * all httpd children. They are no requests in flight, but hold threads as those do: Admission adds
 * both.
 *
 * The counts outlive the agent. The count of a child that dies ends within a second. One for each
 * httpd child, owned by Child. Thread-safe.
 */
class RelayedConnections {
public:
    /** A connection that counts, until this object ends. */
    class Place {
    public:
        Place(Place &&other) noexcept : ledger_(std::exchange(other.ledger_, nullptr)), app_(other.app_) {}
        Place &operator=(Place &&) = delete;
        ~Place() {
            if (ledger_ != nullptr) {
                ledger_->removeRelay(app_);
            }
        }

    private:
        friend class RelayedConnections;
        Place(UsageLedger *ledger, std::uint64_t app) noexcept : ledger_(ledger), app_(app) {}

        /** Null: the connection is not counted. */
        UsageLedger *ledger_;
        std::uint64_t app_;
    };

    /** @param ledger may be null: nothing is counted */
    RelayedConnections(UsageLedger *ledger, const Clock &clock) noexcept : ledger_(ledger), clock_(clock) {}

    /** @param app SpoolQuota::keyOf() of the application */
    Place add(std::uint64_t app);
    /** Those of the application in all children. */
    unsigned of(std::uint64_t app) noexcept;

private:
    bool mayLookForDead() noexcept;

    UsageLedger *const ledger_;
    const Clock &clock_;
    /** When the rows of dead children were last cleared, in nanoseconds of the clock; 0: never. */
    std::atomic<std::uint64_t> lastLook_{0};
};

}  // namespace Passenger
