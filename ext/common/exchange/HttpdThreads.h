#pragma once

#include <algorithm>
#include <cstdint>

namespace Passenger {

/**
 * Which threads of httpd an application holds, beside what its requests in flight tell. Such a
 * request holds a thread of the MPM (MaxRequestWorkers). But that of an HTTP/2 stream holds one of
 * mod_http2's (H2MaxWorkers), and only its connection holds one of the MPM's. A plain value.
 */
struct HttpdThreads {
    /** Connections that threads of the MPM serve, and that are no requests in flight: relayed ones,
     *  and those of HTTP/2 with a stream of the application. */
    unsigned connections = 0;
    /** Requests in flight of streams. */
    unsigned streams = 0;
    /** The most streams, if the request that asks is one of them. 0: no limit. */
    unsigned maxStreams = 0;

    /** The threads of the MPM. @param inFlight all requests in flight */
    std::uint64_t held(unsigned inFlight) const noexcept {
        return std::uint64_t{inFlight - std::min(streams, inFlight)} + connections;
    }
    /** The threads of the MPM that so many requests may hold. */
    std::uint64_t most(unsigned requests) const noexcept { return std::uint64_t{requests} + connections; }
};

}  // namespace Passenger
