#include "apache2/status/HttpdFigures.h"

#include <algorithm>

#include "apache2/httpd/Httpd.h"

extern "C" {
#include <ap_mpm.h>
#include <scoreboard.h>
}

namespace Passenger::HttpdFigures {

namespace {

/** A figure of the MPM; 0: the MPM has none. */
int ask(int query) noexcept {
    int value = 0;
    return ap_mpm_query(query, &value) == APR_SUCCESS ? std::max(value, 0) : 0;
}

void count(const worker_score &worker, WorkersStatus &into) noexcept {
    switch (worker.status) {
        case SERVER_DEAD:
        case SERVER_STARTING:
        case SERVER_IDLE_KILL: break;
        case SERVER_READY: into.idle++; break;
        default: into.busy++;
    }
}

}  // namespace

WorkersStatus workers() noexcept {
    WorkersStatus found;
    // A child of prefork has one worker and no thread.
    found.limit = static_cast<unsigned>(ask(AP_MPMQ_MAX_DAEMONS) * std::max(ask(AP_MPMQ_MAX_THREADS), 1));
    if (!ap_exists_scoreboard_image()) {
        return found;
    }
    const int children = ask(AP_MPMQ_HARD_LIMIT_DAEMONS);
    const int threads = std::max(ask(AP_MPMQ_HARD_LIMIT_THREADS), 1);
    for (int child = 0; child < children; ++child) {
        const process_score *process = ap_get_scoreboard_process(child);
        if (process->pid == 0 || process->quiescing != 0) {
            continue;
        }
        for (int thread = 0; thread < threads; ++thread) {
            count(*ap_get_scoreboard_worker_from_indexes(child, thread), found);
        }
    }
    return found;
}

}  // namespace Passenger::HttpdFigures
