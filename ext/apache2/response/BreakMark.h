#pragma once

#include "apache2/httpd/Httpd.h"

/**
 * Marks an incomplete answer where no filter of contents can remove the mark. Some filters, such as
 * that of mod_sed, drop httpd's error bucket: the client would take the answer for whole.
 */
namespace Passenger::BreakMark {

/** The error bucket that makes httpd's filters of the protocol omit the last chunk, and mod_http2
 *  reset the stream. */
apr_bucket *bucket(request_rec *r);

/** Called before the end of the answer is passed on: adds a filter behind those of contents, which
 *  inserts the bucket before the end, and tells httpd's caches. The answer that includes this one
 *  becomes incomplete, too. */
void set(request_rec *r);

/** Called while httpd loads the module. */
void addFilter();

}  // namespace Passenger::BreakMark
