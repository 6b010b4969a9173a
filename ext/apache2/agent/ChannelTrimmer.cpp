#include "apache2/agent/ChannelTrimmer.h"

#include <pthread.h>

#include <cerrno>
#include <chrono>
#include <exception>

#include "apache2/agent/AgentKeeper.h"
#include "apache2/httpd/CodePin.h"
#include "apache2/httpd/Httpd.h"
#include "base/SignalsBlocked.h"

namespace Passenger {

namespace {

/** The thread calls few functions, and each child has one. */
constexpr std::size_t STACK_SIZE = 256 * std::size_t{1024};

/** httpd's signals are for its own threads.
 *  @return as pthread_create() */
int createThread(void *(*run)(void *), void *argument) noexcept {
    pthread_attr_t attributes;
    if (const int error = pthread_attr_init(&attributes); error != 0) {
        return error;
    }
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    const SignalsBlocked inherited;
    pthread_t thread;
    const int error = pthread_create(&thread, &attributes, run, argument);
    pthread_attr_destroy(&attributes);
    return error;
}

}  // namespace

void ChannelTrimmer::begin() const noexcept {
    const int error = CodePin::pin() ? createThread(run, const_cast<ChannelTrimmer *>(this)) : ENOEXEC;
    if (error != 0) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, error, ap_server_conf,
                     "event=trimmer.not_started consequence=\"unused reply channels stay open until this child ends\"");
    }
}

void *ChannelTrimmer::run(void *trimmer) {
    pthread_setname_np(pthread_self(), "passenger trim");
    const apr_interval_time_t interval = static_cast<const ChannelTrimmer *>(trimmer)->interval_;
    for (;;) {
        try {
            ApplicationPoolServer &server = *AgentKeeper::server();
            if (server.awaitShortage(std::chrono::microseconds(interval))) {
                server.closeIdle();
            } else {
                server.trim();
            }
        } catch (const std::exception &) {
            // Out of memory: the next run closes the channels. httpd's log is not used, since httpd
            // may be ending.
        }
    }
}

}  // namespace Passenger
