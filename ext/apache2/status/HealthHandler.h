#pragma once

#include "apache2/httpd/Httpd.h"
#include "apache2/request/StartupFileCache.h"

/** Tells a balancer whether to send requests: not while one has waited for PassengerHealthQueueAge.
 *  httpd's access rules protect it. */
namespace Passenger::HealthHandler {

/** A handler's hook, for requests with HEALTH_HANDLER: 200, or 503 with the reason. With the query
 *  `live`: 200 while the agent answers. */
int run(request_rec *r, StartupFileCache &startupFiles);

}  // namespace Passenger::HealthHandler
