#pragma once

#include "Httpd.h"

namespace Passenger::ForgedHeaders {

/**
 * Request headers by which a web server speaks to the application behind it (X-Sendfile-Type, X-Accel-Mapping …): sent by a client they would make the application
 * name files of the machine, or leave its answer's body away. An administrator's own (mod_headers' RequestHeader) must get through.
 */

/** For post_read_request, before any other module: remembers which of them came from the client. */
void note(request_rec *r);

/** Whether a header of r->headers_in is still what the client has sent under such a name. */
bool has(const request_rec *r, const apr_table_entry_t &header);

}  // namespace Passenger::ForgedHeaders
