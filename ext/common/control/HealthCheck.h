#pragma once

#include <chrono>
#include <string>

#include "control/ServerStatus.h"

namespace Passenger {

/**
 * Whether a balancer should send requests: each application of the status could serve. An
 * application that is down starts with its next request, so it could, unless its last start failed.
 *
 * @param queueAge how long a request may have waited
 * @return empty, or one line that says why not
 */
std::string reasonToSendElsewhere(const ServerStatus &status, std::chrono::seconds queueAge);

}  // namespace Passenger
