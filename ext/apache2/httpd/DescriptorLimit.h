#pragma once

#include "apache2/httpd/Httpd.h"

namespace Passenger {

/** Raises an httpd child's limit of open descriptors if its threads may need more. Each request in
 *  flight needs a reply channel besides its connection. Logs if even the hard limit is too low.
 *  Called in child_init. */
void raiseDescriptorLimit(server_rec *server) noexcept;

}  // namespace Passenger
