#pragma once

#include "commands/Arguments.h"

namespace Passenger {

/** passenger-config explain. Asks httpd's program, which reads its configuration anew and serves
 *  nothing. No agent is needed. @return the exit status @throws CommandFailureException: httpd
 *  cannot read its configuration, or the URL is none */
int explainUrl(const Arguments &arguments);

}  // namespace Passenger
