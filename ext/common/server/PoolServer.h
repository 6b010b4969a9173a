#pragma once

#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>

#include "base/FileDescriptor.h"
#include "base/LimitCounts.h"
#include "loop/DescriptorWatcher.h"
#include "loop/EventLoop.h"
#include "pool/Pool.h"
#include "server/Children.h"
#include "server/Connection.h"
#include "server/DescriptorReserve.h"

namespace Passenger {

/**
 * The agent's side of ApplicationPoolServer. For each byte on the server socket it makes a socket
 * pair, sends one end back and serves the other end. All connections are served on the event loop,
 * since no request on them blocks.
 *
 * Owned by main(). Created and destroyed outside the loop's thread while the loop runs; destroyed
 * before the Pool.
 */
class PoolServer {
public:
    /** Connections on which no HELLO has come: children send it at once. */
    static constexpr std::size_t MOST_UNKNOWN = 1024;

    /** @param complete, connectControl as in ConnectionContext; called on the loop
     *  @param obeysUsers as AgentSettings::obeysUsers */
    PoolServer(EventLoop &loop, Pool &pool, FileDescriptor serverSocket,
               std::function<std::optional<std::string>(Options &)> complete,
               std::function<FileDescriptor()> connectControl, LimitCountsPtr counts = std::make_shared<LimitCounts>(),
               bool obeysUsers = false);
    ~PoolServer();
    PoolServer(const PoolServer &) = delete;
    PoolServer &operator=(const PoolServer &) = delete;

    /** What was refused to children is logged once more. Options of children that are known so far
     *  replace none of later children. Outside the loop's thread. */
    void configurationChanged();

private:
    void accept() REQUIRES(EventLoop::role);
    void acceptOne() REQUIRES(EventLoop::role);
    void complain(const std::exception &error) REQUIRES(EventLoop::role);
    void refuseOne() noexcept REQUIRES(EventLoop::role);
    void dropUnknown() REQUIRES(EventLoop::role);
    void woken() REQUIRES(EventLoop::role);

    EventLoop &loop_;
    Pool &pool_;
    FileDescriptor serverSocket_;
    /**
     * Children send a byte on the second end when all instances are busy. An eventfd would not do:
     * a child that changed its file flags could block the agent.
     */
    DescriptorPair wakePair_;
    Children children_;
    DescriptorReserve reserve_;
    const LimitCountsPtr counts_;
    ConnectionContext context_;
    std::map<Connection *, std::unique_ptr<Connection>> connections_ GUARDED_BY(EventLoop::role);
    /** The connections without HELLO, the oldest first. Some have sent HELLO since; they are
     *  removed when there are too many. */
    std::deque<Connection *> unknown_ GUARDED_BY(EventLoop::role);
    std::unique_ptr<DescriptorWatcher> acceptWatcher_ GUARDED_BY(EventLoop::role);
    std::unique_ptr<DescriptorWatcher> wakeWatcher_ GUARDED_BY(EventLoop::role);
};

}  // namespace Passenger
