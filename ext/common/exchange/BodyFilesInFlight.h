#pragma once

#include <atomic>
#include <memory>

namespace Passenger {

/**
 * Limits the body files of one application that this process has sent and that no instance is known
 * to have taken. The kernel counts them for this process's user, together with the descriptors of
 * all other applications, and refuses further ones above a limit.
 *
 * Owned by QueueCache. Thread-safe.
 */
class BodyFilesInFlight {
    struct Leave {
        void operator()(BodyFilesInFlight *files) const noexcept {
            files->count_.fetch_sub(1, std::memory_order_relaxed);
        }
    };

public:
    static constexpr unsigned MOST = 8;
    /** The right to have a file in flight. */
    using Place = std::unique_ptr<BodyFilesInFlight, Leave>;

    BodyFilesInFlight() = default;
    BodyFilesInFlight(const BodyFilesInFlight &) = delete;
    BodyFilesInFlight &operator=(const BodyFilesInFlight &) = delete;

    /** Null: there are MOST already. */
    Place enter() noexcept {
        if (count_.fetch_add(1, std::memory_order_relaxed) < MOST) {
            return Place(this);
        }
        count_.fetch_sub(1, std::memory_order_relaxed);
        return nullptr;
    }

private:
    std::atomic<unsigned> count_{0};
};

}  // namespace Passenger
