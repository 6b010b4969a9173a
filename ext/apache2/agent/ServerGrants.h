#pragma once

#include <string>

#include "apache2/httpd/Httpd.h"

namespace Passenger {

/**
 * What the configuration of the main server and of all virtual hosts lets applications run: the
 * text of class Grants. For httpd's parent, once its configuration is read.
 */
std::string serverGrants(const server_rec *main);

}  // namespace Passenger
