#pragma once

#include <chrono>

namespace Passenger {

/** What preforked workers serve. Used by PreFork: sendAck() and start() in the monitor, resumeAccept() in each worker that is a fork. */
class PreForkServer {
public:
    virtual ~PreForkServer() = default;
    /** How often a worker is to send COMM_ACK; zero: not at all. Called before start(). */
    virtual void sendAck(std::chrono::milliseconds interval) = 0;
    /** Makes its sockets and listens, once, in the monitor. Connections wait; none is accepted yet. @throws SystemException that names the address */
    virtual void start() = 0;
    /** In a worker: accepts and serves until the worker is to end. Tells the monitor (tellMonitor()) what it does. */
    virtual void resumeAccept() = 0;
};

}  // namespace Passenger
