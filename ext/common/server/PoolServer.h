#pragma once

#include <functional>
#include <map>
#include <memory>

#include "base/FileDescriptor.h"
#include "loop/DescriptorWatcher.h"
#include "loop/EventLoop.h"
#include "pool/Pool.h"
#include "server/Children.h"
#include "server/Connection.h"

namespace Passenger {

/**
 * The part of ApplicationPoolServer that runs in the agent: for each byte that arrives on the
 * server socket it makes a socket pair, sends one end back and serves the other. The event loop
 * serves all clients, since no answer blocks.
 *
 * Owned by main(). Made and destroyed outside the loop's thread while the loop runs, and before the
 * Pool.
 */
class PoolServer {
public:
    /** @param complete fills in what options leave to the server's settings; called on the loop */
    PoolServer(EventLoop &loop, Pool &pool, FileDescriptor serverSocket, std::function<void(Options &)> complete);
    ~PoolServer();
    PoolServer(const PoolServer &) = delete;
    PoolServer &operator=(const PoolServer &) = delete;

private:
    void accept() REQUIRES(EventLoop::role);
    void woken() REQUIRES(EventLoop::role);

    EventLoop &loop_;
    Pool &pool_;
    FileDescriptor serverSocket_;
    /** Children send a byte on the second end when they find all instances taken. No eventfd: a flag that a child changed would block us. */
    DescriptorPair wakePair_;
    Children children_;
    ConnectionContext context_;
    std::map<Connection *, std::unique_ptr<Connection>> connections_ GUARDED_BY(EventLoop::role);
    std::unique_ptr<DescriptorWatcher> acceptWatcher_ GUARDED_BY(EventLoop::role);
    std::unique_ptr<DescriptorWatcher> wakeWatcher_ GUARDED_BY(EventLoop::role);
};

}  // namespace Passenger
