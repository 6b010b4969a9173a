#pragma once

#include <string>

#include "apache2/httpd/Httpd.h"
#include "apache2/request/Route.h"
#include "exchange/Options.h"

namespace Passenger::RequestEnvironment {

struct Body {
    /** httpd's number, or null. */
    const char *length;
    /** Whether the application is told of `Expect`. */
    bool expect;
};

/** Writes what an application is told about `r` into `buffer` (CGI, RFC 3875, as Rack wants it).
 *  @param path another buffer, for paths on their way there */
void build(request_rec *r, const Route &route, const Body &body, std::string &buffer, std::string &path);

/** What SetEnv, PassEnv and SetEnvIf say for the application's process. */
Options::Variables processVariables(const request_rec *r);

}  // namespace Passenger::RequestEnvironment
