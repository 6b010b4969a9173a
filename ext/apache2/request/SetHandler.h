#pragma once

#include "apache2/httpd/Httpd.h"

/** httpd's directive SetHandler. */
namespace Passenger::SetHandler {

/**
 * Whether the directive gives the request to a module's handler, as httpd's core decides it later.
 * `None`, and an expression whose value is `none` or empty, give it to nobody. An administrator
 * uses SetHandler for a place on purpose (server-status …). mod_mime in contrast derives handlers
 * from file extensions.
 */
bool choosesModule(request_rec *r) noexcept;

}  // namespace Passenger::SetHandler
