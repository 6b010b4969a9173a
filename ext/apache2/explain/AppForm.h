#pragma once

#include <nlohmann/json_fwd.hpp>

#include "apache2/explain/MadeRequest.h"
#include "apache2/request/Route.h"

/** The application that serves a URL, for passenger-config. */
namespace Passenger::AppForm {

/** The application that would answer; null: none would. */
const Route *routeOf(const MadeRequest &made);

/** The application as JSON, with its user and interpreter. Reads files and the database of
 *  users. */
nlohmann::ordered_json describe(request_rec *r, const Route &route, const Settings &global, StartupFileCache &files);

/** Its name, and the place of its `<VirtualHost>`. */
nlohmann::ordered_json describe(const server_rec *server);

}  // namespace Passenger::AppForm
