#pragma once

#include "apache2/httpd/Httpd.h"

/** What the agent tells of its applications, as mod_status does of httpd. httpd's access rules
 *  protect it. doc/monitoring/README.md has the forms. */
namespace Passenger::StatusHandler {

/** A handler's hook, for requests with STATUS_HANDLER. */
int run(request_rec *r);

}  // namespace Passenger::StatusHandler
