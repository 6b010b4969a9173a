#include "apache2/httpd/DescriptorLimit.h"

#include <sys/resource.h>

#include <algorithm>

#include "apache2/httpd/ThreadCounts.h"

namespace Passenger {

namespace {

/** For each thread: its connection, a file, and a reply channel for each of three applications. */
constexpr rlim_t FOR_EACH_THREAD = 5;
/** Libraries, logs, listening sockets, the sockets of the agent, a few for each application. */
constexpr rlim_t FOR_THE_REST = 200;
/** No child needs more. Some programs that CGI scripts start try each descriptor up to the
 *  limit. */
constexpr rlim_t HIGHEST = 65536;

}  // namespace

void raiseDescriptorLimit(server_rec *server) noexcept {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    const unsigned threads = ThreadCounts::ofMpm() + ThreadCounts::ofHttp2();
    const rlim_t needed = rlim_t{threads} * FOR_EACH_THREAD + FOR_THE_REST;
    if (limit.rlim_cur >= needed) {
        return;
    }
    limit.rlim_cur = std::max(limit.rlim_cur, std::min(limit.rlim_max, HIGHEST));
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < needed) {
        ap_log_error(
            APLOG_MARK, APLOG_WARNING, 0, server,
            "event=descriptors.few limit=%lu wanted=%lu threads=%u consequence=\"under load requests may get 503\"",
            static_cast<unsigned long>(limit.rlim_cur), static_cast<unsigned long>(needed), threads);
    }
}

}  // namespace Passenger
