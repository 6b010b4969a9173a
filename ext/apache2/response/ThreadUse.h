#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <utility>

#include "apache2/request/UsageLedger.h"
#include "base/Clock.h"
#include "base/Mutex.h"
#include "exchange/HttpdThreads.h"

namespace Passenger {

/**
 * Counts the threads of httpd that an application holds, over all httpd children, where the
 * requests in flight do not tell it (HttpdThreads).
 *
 * The counts outlive the agent. The count of a child that dies ends within a second. One for each
 * httpd child, owned by Child. Thread-safe.
 */
class ThreadUse {
public:
    /** What counts, until this object ends. The ThreadUse outlives it. */
    class Place {
    public:
        Place(Place &&other) noexcept
            : use_(std::exchange(other.use_, nullptr)), app_(other.app_), streamOf_(other.streamOf_) {}
        Place &operator=(Place &&) = delete;
        ~Place() {
            if (use_ != nullptr) {
                use_->remove(app_, streamOf_);
            }
        }

        bool counts() const noexcept { return use_ != nullptr; }

    private:
        friend class ThreadUse;
        Place(ThreadUse *use, std::uint64_t app, const void *streamOf) noexcept
            : use_(use), app_(app), streamOf_(streamOf) {}

        /** Null: nothing is counted. */
        ThreadUse *use_;
        std::uint64_t app_;
        /** Null: a connection counts. */
        const void *streamOf_;
    };

    /** @param ledger may be null: nothing is counted
     *  @param maxStreams HttpdThreads::maxStreams of each application */
    ThreadUse(UsageLedger *ledger, unsigned maxStreams, const Clock &clock) noexcept
        : ledger_(ledger), maxStreams_(maxStreams), clock_(clock) {}

    /** Counts a connection that a thread relays.
     *  @param app SpoolQuota::keyOf() of the application */
    Place addConnection(std::uint64_t app);
    /** Counts a request of an HTTP/2 stream, and its connection once for all of its streams.
     *  @param connection stands for the client's connection */
    Place addStream(std::uint64_t app, const void *connection);
    /** Those of the application in all children. @param ofStream the request that asks is one of a
     *  stream, and counts */
    HttpdThreads of(std::uint64_t app, bool ofStream) noexcept;

private:
    using Use = UsageLedger::Use;

    void remove(std::uint64_t app, const void *streamOf) noexcept;
    bool join(std::uint64_t app, const void *connection) EXCLUDES(mutex_);
    bool leave(std::uint64_t app, const void *connection) noexcept EXCLUDES(mutex_);
    HttpdThreads counted(std::uint64_t app) const noexcept;
    bool mayLookForDead() noexcept;

    UsageLedger *const ledger_;
    const unsigned maxStreams_;
    const Clock &clock_;
    /** When the rows of dead children were last cleared, in nanoseconds of the clock; 0: never. */
    std::atomic<std::uint64_t> lastLook_{0};
    Mutex mutex_{Locks::THREAD_USE};
    /** The streams of each application and connection. */
    std::map<std::pair<std::uint64_t, const void *>, unsigned> streams_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
