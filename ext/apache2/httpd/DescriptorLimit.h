#pragma once

#include "apache2/httpd/Httpd.h"

namespace Passenger {

/** Raises the limit of open descriptors of an httpd child whose threads may need more than it allows, since each request in flight needs a
 *  reply channel beside its connection; logs when even the hard limit is too low. Called in child_init. */
void raiseDescriptorLimit(server_rec *server) noexcept;

}  // namespace Passenger
