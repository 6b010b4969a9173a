#pragma once

#include <algorithm>
#include <cstdint>

namespace Passenger {

/**
 * Which threads of httpd an application holds, beside what its requests in flight tell. A request
 * in flight holds a thread of the MPM (MaxRequestWorkers). A request of an HTTP/2 stream holds a
 * thread of mod_http2 (H2MaxWorkers); its connection holds one of the MPM. A plain value.
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
