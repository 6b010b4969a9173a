#pragma once

#include <string>

#include "Httpd.h"
#include "Route.h"
#include "pool/Options.h"

namespace Passenger::RequestEnvironment {

/** Writes what an application is told about `r` into `buffer` (CGI, RFC 3875, as Rack wants it).
 *  @param contentLength httpd's number, or null */
void build(request_rec *r, const Route &route, const char *contentLength, std::string &buffer);

/** What SetEnv, PassEnv and SetEnvIf say for the application's process. */
Options::Variables processVariables(const request_rec *r);

}  // namespace Passenger::RequestEnvironment
