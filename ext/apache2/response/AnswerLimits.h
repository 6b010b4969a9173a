#pragma once

#include "apache2/request/SpoolQuota.h"
#include "apache2/response/ClientsInFlight.h"
#include "apache2/response/RefusalLog.h"
#include "apache2/response/ThreadLimit.h"
#include "apache2/response/ThreadUse.h"

namespace Passenger {

/** What the answers of an httpd child share. Owned by Child, outlives the requests' pools. Each
 *  member is thread-safe. */
struct AnswerLimits {
    ThreadLimit hijacks;
    /** Clients that take an answer slowly, while `spool` lets no file grow. */
    ThreadLimit slowClients;
    SpoolQuota spool;
    ThreadUse threads;
    ClientsInFlight clients{};
    /** Log entries about requests that are refused with 503 or 504, and with another status: starts
     *  that fail hide no overload. */
    RefusalLog busyLog{};
    RefusalLog failureLog{};
    /** Log entries about the pages of refusals. */
    RefusalLog pageLog{};
    /** Log entries about the refusals of `spool`. */
    RefusalLog spoolLog{};
};

}  // namespace Passenger
