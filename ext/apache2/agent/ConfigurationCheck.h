#pragma once

#include "apache2/httpd/Httpd.h"

namespace Passenger::ConfigurationCheck {

/**
 * Checks PassengerRoot, PassengerAgentUser and PassengerUser before httpd starts or reloads with
 * them, and in `apachectl configtest`; PassengerDataBufferDir, but for a reload. Logs each mistake
 * with the remedy. For httpd's parent, when it has read the configuration.
 * @return OK, or a status with which httpd does not start
 */
int run(apr_pool_t *temporary, server_rec *server);

}  // namespace Passenger::ConfigurationCheck
