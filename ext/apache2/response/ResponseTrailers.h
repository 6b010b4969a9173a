#pragma once

#include <string_view>

#include "apache2/httpd/Httpd.h"
#include "apache2/response/ResponseHead.h"

/**
 * The trailer fields of an answer (RFC 9110, section 6.5). mod_http2 sends those of the request_rec
 * itself. httpd's filter of chunks sends none, so one of this module adds them to the last chunk.
 * All functions are called by the thread of the request.
 */
namespace Passenger::ResponseTrailers {

/** Whether the client can get them: over HTTP/2, and over HTTP/1.1 if it says `TE: trailers`. */
bool areTaken(const request_rec *r);

/** Whether the client understands chunks: its version says so, and the configuration does not deny
 *  it by the variable downgrade-1.0. */
bool mayChunk(const request_rec *r);

/** Called before httpd makes the head of an answer that may have a body. Over HTTP/1.1 an answer
 *  without a length is sent in chunks from now on. Has no effect unless areTaken(). */
void announce(request_rec *r, const ResponseHead &head);

/** @param lines "Name: value\r\n…" @return the problem, or null */
const char *add(request_rec *r, std::string_view lines);

/** Called while httpd loads the module. */
void addFilter();

}  // namespace Passenger::ResponseTrailers
