#pragma once

#include "apache2/httpd/Httpd.h"

#include "apache2/config/Settings.h"

namespace Passenger {

/**
 * Logs a warning for each PassengerUser of the configuration that does not exist. httpd starts all
 * the same: one account that was removed must not take the other sites down. Only httpd's parent
 * calls this function, when it has read the configuration. A .htaccess file cannot have the
 * directive. Nothing is logged where applications have no users of their own.
 */
void warnOfUnknownUsers(const server_rec *main, apr_pool_t *temporary);

}  // namespace Passenger
