#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "apache2/request/UsageLedger.h"
#include "base/Clock.h"

namespace Passenger {

/**
 * Counts threads of httpd that an application uses, over all httpd children, where the requests in
 * flight do not tell it (UsageLedger::Use). Relayed connections are no requests in flight, but hold
 * threads of the MPM. Requests of HTTP/2 streams hold none: mod_http2 has threads of its own.
 * Admission takes account of both.
 *
 * The counts outlive the agent. The count of a child that dies ends within a second. One for each
 * httpd child, owned by Child. Thread-safe.
 */
class ThreadUse {
public:
    using Use = UsageLedger::Use;

    /** A thread that counts, until this object ends. */
    class Place {
    public:
        Place(Place &&other) noexcept
            : ledger_(std::exchange(other.ledger_, nullptr)), app_(other.app_), use_(other.use_) {}
        Place &operator=(Place &&) = delete;
        ~Place() {
            if (ledger_ != nullptr) {
                ledger_->removeUse(app_, use_);
            }
        }

    private:
        friend class ThreadUse;
        Place(UsageLedger *ledger, std::uint64_t app, Use use) noexcept : ledger_(ledger), app_(app), use_(use) {}

        /** Null: the thread is not counted. */
        UsageLedger *ledger_;
        std::uint64_t app_;
        Use use_;
    };

    /** @param ledger may be null: nothing is counted */
    ThreadUse(UsageLedger *ledger, const Clock &clock) noexcept : ledger_(ledger), clock_(clock) {}

    /** @param app SpoolQuota::keyOf() of the application */
    Place add(std::uint64_t app, Use use);
    /** Those of the application in all children. */
    unsigned of(std::uint64_t app, Use use) noexcept;

private:
    bool mayLookForDead() noexcept;

    UsageLedger *const ledger_;
    const Clock &clock_;
    /** When the rows of dead children were last cleared, in nanoseconds of the clock; 0: never. */
    std::atomic<std::uint64_t> lastLook_{0};
};

}  // namespace Passenger
