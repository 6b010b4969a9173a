#pragma once

#include "apache2/request/SpoolQuota.h"
#include "apache2/response/ClientsInFlight.h"
#include "apache2/response/LineLimits.h"
#include "apache2/response/ThreadLimit.h"
#include "apache2/response/ThreadUse.h"
#include "base/SystemClock.h"

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
    LineLimits lines{SystemClock::instance()};
};

}  // namespace Passenger
