#pragma once

#include "apache2/httpd/Httpd.h"

/** The threads that serve requests in an httpd child. For child_init and later. */
namespace Passenger::ThreadCounts {

/** The MPM's: each has a connection. At least 1. */
unsigned ofMpm() noexcept;
/** mod_http2's: each has a stream's request. A thread of the MPM has the connection. 0: mod_http2
 *  is not loaded. */
unsigned ofHttp2() noexcept;

}  // namespace Passenger::ThreadCounts
