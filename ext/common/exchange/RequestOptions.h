#pragma once

#include <cstdint>

#include "exchange/Priority.h"
#include "exchange/QueueChoice.h"

namespace Passenger {

/** The part of Options that one request has, and not its application. A plain value. The agent gets
 *  `queue` alone: the sending process uses the others. */
struct RequestOptions {
    QueueChoice queue;
    /** Differs where the options of the application differ. */
    std::uint64_t settings = 0;
    Priority priority = Priority::NORMAL;
    /** The application's requests in flight and relayed connections
     *  (MessageSession::Request::relayed) from which a further request is refused instead of
     *  waiting: other applications need threads of httpd, too. 0: no limit. */
    unsigned maxInFlight = 0;
};

}  // namespace Passenger
