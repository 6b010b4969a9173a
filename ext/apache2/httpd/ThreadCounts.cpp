#include "apache2/httpd/ThreadCounts.h"

#include <strings.h>

#include <algorithm>
#include <cstdlib>

extern "C" {
#include <ap_mpm.h>
}

namespace Passenger::ThreadCounts {

namespace {

/** What H2MaxWorkers is by default: one and a half times H2MinWorkers, but not fewer. */
constexpr int FEWEST_STREAM_THREADS = 4;

/** The values of the main server, which alone count; -1: not set. */
struct Http2Workers {
    int least = -1;
    int most = -1;
};

/** An argument may be quoted. */
int number(const char *argument) noexcept {
    return std::atoi(argument + (*argument == '"' ? 1 : 0));
}

/** mod_http2 has no interface that tells its threads, so httpd's tree of the configuration does. */
void read(const ap_directive_t *directive, Http2Workers &workers) noexcept {
    for (; directive != nullptr; directive = directive->next) {
        if (strcasecmp(directive->directive, "H2MinWorkers") == 0) {
            workers.least = number(directive->args);
        } else if (strcasecmp(directive->directive, "H2MaxWorkers") == 0) {
            workers.most = number(directive->args);
        } else if (strcasecmp(directive->directive, "<VirtualHost") != 0) {
            read(directive->first_child, workers);
        }
    }
}

}  // namespace

unsigned ofMpm() noexcept {
    int threads = 0;
    return ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads) == APR_SUCCESS ? static_cast<unsigned>(std::max(threads, 1)) : 1;
}

unsigned ofHttp2() noexcept {
    if (ap_find_linked_module("mod_http2.c") == nullptr) {
        return 0;
    }
    Http2Workers workers;
    read(ap_conftree, workers);
    const int least = workers.least > 0 ? workers.least : static_cast<int>(ofMpm());
    return static_cast<unsigned>(workers.most > 0 ? workers.most : std::max(3 * least / 2, FEWEST_STREAM_THREADS));
}

}  // namespace Passenger::ThreadCounts
