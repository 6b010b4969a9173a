#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace Passenger {

/** How often limits had an effect since this process began, for its status. Thread-safe. */
struct LimitCounts {
    /** Connections of httpd's children that ended, since a child broke the protocol. */
    std::atomic<std::uint64_t> connectionsDropped{0};
    /** Connections of httpd's children that ended at PassengerMaxChildConnections, or since too
     *  many had sent nothing. */
    std::atomic<std::uint64_t> childConnections{0};
    /** Reply channels beyond PassengerMaxChildChannels. */
    std::atomic<std::uint64_t> childChannels{0};
    /** Reply channels of applications beyond PassengerMaxChildApps. */
    std::atomic<std::uint64_t> childApps{0};
    /** Processes and reply channels beyond those that the agent has for all children. */
    std::atomic<std::uint64_t> allChildren{0};
    /** Channels, connections and children that got no descriptor. */
    std::atomic<std::uint64_t> descriptorsRefused{0};
    /** Lines of applications that are missing in the log (PassengerMaxLogLinesPerSecond). */
    std::atomic<std::uint64_t> logLinesDropped{0};
    /** Failed starts at whose end the user had all processes of PassengerMaxBootProcesses. */
    std::atomic<std::uint64_t> bootsLimited{0};
};

using LimitCountsPtr = std::shared_ptr<LimitCounts>;

}  // namespace Passenger
