#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "base/Clock.h"
#include "pool/DescriptorStore.h"

namespace Passenger {

/**
 * The applications whose queues are paused, and until when. Instances of such an application take
 * no request; requests wait. The descriptor store keeps the pauses for the next pool process: the
 * monotonic clock is the same there.
 *
 * Owned by the PoolContext; guarded by the pool's lock.
 */
class QueuePauses {
public:
    /** Of the entry in the store. */
    static constexpr const char *KEY = "pauses";
    /** Requests that wait hold threads of httpd. */
    static constexpr std::chrono::hours LONGEST{1};

    /** Outlives this object. */
    explicit QueuePauses(DescriptorStore &store) : store_(store) {}

    /** Takes over what the watchdog has kept under KEY. */
    void restore(const std::string &note, MonotonicTime now);
    /** The time until which the application's queue is paused; nothing: it is not. */
    std::optional<MonotonicTime> until(const std::string &app) const;
    const std::map<std::string, MonotonicTime> &all() const noexcept { return pauses_; }
    /** @throws IOException: the store cannot keep the pause. There is none then. */
    void begin(const std::string &app, MonotonicTime until);
    void end(const std::string &app);
    /** All pauses, as the text that the store keeps. */
    std::string note() const;

private:
    void keep() const;

    DescriptorStore &store_;
    std::map<std::string, MonotonicTime> pauses_;
};

}  // namespace Passenger
