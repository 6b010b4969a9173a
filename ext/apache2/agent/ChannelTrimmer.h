#pragma once

#include <apr_time.h>

#include <atomic>

namespace Passenger {

/**
 * Closes, every now and then, the reply channels that nobody has needed of late: on a thread of the httpd child's own, so that a child which
 * gets no request gives up what a burst has left, whatever MPM it is of.
 *
 * Owned by Child, and like it alive until the process ends; so is the thread, which begins with the first request, takes no signal and uses nothing
 * of APR's or httpd's. Any thread may call start().
 */
class ChannelTrimmer {
public:
    /** @param interval an unused channel lives for two of them at most  @param possible false: never start, as in httpd's parent */
    ChannelTrimmer(apr_interval_time_t interval, bool possible) noexcept : interval_(interval), started_(!possible) {}

    /** Does nothing but the first time. */
    void start() noexcept {
        if (!started_.load(std::memory_order_relaxed) && !started_.exchange(true)) {
            begin();
        }
    }

private:
    void begin() const noexcept;
    static void *run(void *trimmer);

    const apr_interval_time_t interval_;
    std::atomic<bool> started_;
};

}  // namespace Passenger
