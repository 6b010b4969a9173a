#pragma once

#include <string>

#include "apache2/httpd/Httpd.h"
#include "apache2/request/Route.h"
#include "exchange/Options.h"

namespace Passenger::RequestEnvironment {

struct Body {
    /** False: the application gets no `Transfer-Encoding` header. */
    bool present;
    /** httpd's value, or null. */
    const char *length;
    /** Whether the application gets the `Expect` header. */
    bool expect;
};

/**
 * Writes the environment of `r` for an application (CGI, RFC 3875, as Rack wants it) into `buffer`,
 * with the header of PassengerRequestStart.
 *
 * @param path a scratch buffer for paths
 */
void build(request_rec *r, const Route &route, const Body &body, std::string &buffer, std::string &path);

/** The variables that SetEnv and PassEnv set for the application's process. */
Options::Variables processVariables(const request_rec *r);

}  // namespace Passenger::RequestEnvironment
