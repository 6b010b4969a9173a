#pragma once

#include "apache2/httpd/Httpd.h"

namespace Passenger::ForgedHeaders {

/**
 * Request headers by which a web server speaks to the application behind it (X-Sendfile-Type, X-Accel-Mapping …): sent by a client they would make the application
 * name files of the machine, or leave its answer's body away. An administrator's own (mod_headers' RequestHeader) must get through.
 */

/** For post_read_request, before any other module: remembers which of them came from the client. */
void note(request_rec *r);

/** For fixups, before mod_headers adds to what is there: takes away what the client has sent, where an application may get the request. What is somebody else's
 *  (a proxy's, a place without applications) keeps it. */
void remove(request_rec *r);

}  // namespace Passenger::ForgedHeaders
