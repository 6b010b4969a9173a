#pragma once

#include <nlohmann/json_fwd.hpp>

#include "apache2/httpd/Httpd.h"
#include "apache2/request/StartupFileCache.h"

/** All applications of httpd's configuration, for `passenger-config validate-install`. */
namespace Passenger::Inventory {

/**
 * `applications`: each one once, with the first URL that it serves. `unserved`: URLs that no
 * application serves, most likely by mistake. Asks for the top of each virtual host, for each
 * PassengerBaseURI, and for each `<Location>` that is no pattern. Where httpd itself answers such a
 * URL, it asks for a name below it. Settings of .htaccess files below these are not found.
 */
nlohmann::ordered_json describe(apr_pool_t *pool, server_rec *main, StartupFileCache &files);

}  // namespace Passenger::Inventory
