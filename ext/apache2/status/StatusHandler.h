#pragma once

#include "apache2/httpd/Httpd.h"

namespace Passenger {

class SpoolQuota;

/** What the agent tells of its applications, and httpd of its workers, as mod_status does. httpd's
 *  access rules protect it. doc/monitoring/README.md has the forms. PassengerStatusDetails shows
 *  more. */
namespace StatusHandler {

/** A handler's hook, for requests with STATUS_HANDLER. @param spool of this httpd child */
int run(request_rec *r, SpoolQuota &spool);

}  // namespace StatusHandler

}  // namespace Passenger
