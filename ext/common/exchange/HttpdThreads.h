#pragma once

#include <algorithm>
#include <cstdint>

namespace Passenger {

/**
 * Tells which of an application's requests and connections hold threads of httpd. A request holds
 * one while it is in flight. The request of an HTTP/2 stream holds one of mod_http2's
 * (H2MaxWorkers), any other one of the MPM's (MaxRequestWorkers). A plain value.
 */
struct HttpdThreads {
    /** Connections that threads of the MPM relay. */
    unsigned relayed = 0;
    /** Requests in flight of HTTP/2 streams. */
    unsigned streams = 0;
    /** Of a request's threads, those of mod_http2 are asked for. */
    bool ofStreams = false;

    /** @param inFlight all requests in flight */
    std::uint64_t held(unsigned inFlight) const noexcept {
        return ofStreams ? streams : std::uint64_t{inFlight - std::min(streams, inFlight)} + relayed;
    }
    /** The most that so many requests hold. */
    std::uint64_t most(unsigned requests) const noexcept { return std::uint64_t{requests} + (ofStreams ? 0 : relayed); }
};

}  // namespace Passenger
