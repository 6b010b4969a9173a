#pragma once

#include "apache2/httpd/Httpd.h"

namespace Passenger::ForgedHeaders {

/**
 * Request headers by which a web server instructs the application behind it (X-Sendfile-Type,
 * X-Accel-Mapping …). From a client, they would make the application reveal file names of the
 * machine or omit the response's body. Headers that the administrator sets (mod_headers'
 * RequestHeader) must reach the application.
 */

/** A hook for post_read_request, before any other module: records which of these headers the client
 *  has sent. */
void note(request_rec *r);

/** A hook for fixups, before mod_headers adds headers: removes the client's headers if an
 *  application may get the request. Requests for others (a proxy, a place without applications)
 *  keep them. */
void remove(request_rec *r);

/** Once the body is read: the same for trailer fields that httpd has merged into the headers
 *  (MergeTrailers). */
void removeTrailers(request_rec *r);

}  // namespace Passenger::ForgedHeaders
