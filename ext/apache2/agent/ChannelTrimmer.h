#pragma once

#include <apr_time.h>

#include <atomic>

namespace Passenger {

/**
 * Periodically closes the reply channels that were not used since the last time. Closes all unused
 * ones when the agent asks for them because descriptors are short. The trimmer has its own thread,
 * so it works under any MPM and without any request.
 *
 * Owned by Child, and alive until the process ends. So is the thread: it begins with the first
 * request, takes no signal and calls nothing of APR or httpd. Any thread may call start().
 */
class ChannelTrimmer {
public:
    /** @param interval an unused channel is closed after at most two intervals
     *  @param possible false: start() does nothing, as in httpd's parent */
    ChannelTrimmer(apr_interval_time_t interval, bool possible) noexcept : interval_(interval), started_(!possible) {}

    /** Only the first call has an effect. */
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
