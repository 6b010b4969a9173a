#pragma once

#include <string>

#include "apache2/config/Settings.h"

namespace Passenger {

/**
 * Which PassengerUser of the configuration does not exist, with the remedy; empty: each exists, or
 * applications have no users of their own. Of httpd's parent alone, when the configuration has been
 * read. No .htaccess file can have the directive.
 */
std::string applicationUserRefusal(const Settings &settings, apr_pool_t *temporary);

}  // namespace Passenger
