#pragma once

#include <utility>
#include <vector>

#include "base/StrongId.h"
#include "pool/ApplicationQueue.h"
#include "pool/Process.h"

namespace Passenger {

/**
 * The requests that the instance has claimed, and that their senders send again if it dies. They
 * are GET, HEAD and OPTIONS, as the httpd children describe them. Called with the pool's lock held.
 */
std::vector<std::pair<ChannelId, Ticket>> repeatableRequests(const ApplicationQueue &queue, const Process &process);

}  // namespace Passenger
