#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "io/Frame.h"

namespace Passenger {

/** The fields of SERVE, in their order. */
struct Serve {
    /** @throws ProtocolException when a field is missing or malformed */
    static Serve of(const Frame &frame);
    Frame toFrame() const;

    /** The number of its first thread's cell. */
    std::uint64_t cell = 0;
    std::uint64_t threads = 1;
    /** The group's name. */
    std::string app;
    std::uint64_t maxRequests = 0;
    std::uint32_t stickyId = 0;
    std::uint64_t reforkAfter = 0;
    std::chrono::milliseconds heartbeatInterval{0};
    /** No request is taken before the agent says so. */
    bool paused = false;
    /** The queue brings requests of PassengerWarmUp, and another SERVE follows. */
    bool warmsUp = false;
};

}  // namespace Passenger
