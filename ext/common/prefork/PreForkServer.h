#pragma once

#include <chrono>

namespace Passenger {

/**
 * The server that preforked workers run. PreFork calls sendAck() and start() in the monitor, and
 * resumeAccept() in each worker that is a fork.
 */
class PreForkServer {
public:
    virtual ~PreForkServer() = default;
    /** The interval of a worker's COMM_ACK; zero: none. Called before start(). */
    virtual void sendAck(std::chrono::milliseconds interval) = 0;
    /**
     * Opens the sockets and listens, once, in the monitor. Connections wait: no process accepts
     * yet.
     * @throws SystemException with the address
     */
    virtual void start() = 0;
    /**
     * In a worker: accepts and serves until the worker is to end. Reports its state by
     * tellMonitor().
     */
    virtual void resumeAccept() = 0;
};

}  // namespace Passenger
