#pragma once

#include <string>

#include "apache2/config/Settings.h"

namespace Passenger {

/**
 * Why PassengerAgentUser cannot name this user, with the remedy; empty: it can, or root does not
 * start httpd. A name that does not exist is for the agent to refuse. Processes of one user can
 * signal each other: so httpd's children, or applications, could end the agent. Only httpd's parent
 * calls this function, when it has read the configuration.
 */
std::string agentUserRefusal(const Settings &settings, apr_pool_t *temporary);

}  // namespace Passenger
