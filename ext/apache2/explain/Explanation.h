#pragma once

#include "apache2/httpd/Httpd.h"
#include "apache2/request/StartupFileCache.h"

/**
 * Says which application serves a URL, and where its settings come from, for
 * `passenger-config explain`. httpd does it instead of serving, with `-t -D PASSENGER_EXPLAIN=URL`.
 */
namespace Passenger::Explanation {

/** Called when httpd loads the module: adds the hooks of an httpd that explains a URL. */
void addHooks();

/** A hook for test_config. Does nothing without the define. */
void run(apr_pool_t *pool, server_rec *main);

/** For the hooks that decide whether an application or httpd serves a request. Null: this httpd
 *  explains nothing. */
StartupFileCache *startupFiles() noexcept;

}  // namespace Passenger::Explanation
