#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/FileDescriptor.h"
#include "base/LogLimit.h"
#include "io/Frame.h"
#include "loop/DescriptorWatcher.h"
#include "loop/EventLoop.h"
#include "pool/Pool.h"
#include "server/Children.h"

namespace Passenger {

/** What all connections of a server share. */
struct ConnectionContext {
    EventLoop &loop;
    Pool &pool;
    Children &children;
    /** Differs for each pool process. */
    std::string agentId;
    /** Children send a byte on it when they find all instances taken. */
    const FileDescriptor &wakeSocket;
    /** Fills in what options leave to the server's settings. */
    std::function<void(Options &)> complete;
    /** Of lines about what children do wrong. */
    LogLimit complaints{};
};

/**
 * The agent's end of a private socket (doc/PROTOCOLS.md, section 4.1): answers questions in order, without ever waiting. What breaks the
 * protocol loses its connection, and nothing else.
 *
 * Owned by PoolServer. Lives on the event loop.
 */
class Connection {
public:
    /** @param closed called on the loop when the connection is over; may destroy it */
    Connection(ConnectionContext &context, FileDescriptor socket, std::function<void(Connection *)> closed);

private:
    void readable() REQUIRES(EventLoop::role);
    void handle(Frame frame) REQUIRES(EventLoop::role);
    void hello(Frame frame) REQUIRES(EventLoop::role);
    void attach(const Frame &frame) REQUIRES(EventLoop::role);
    void registerChannel(Frame frame) REQUIRES(EventLoop::role);
    void unregister(const Frame &frame) REQUIRES(EventLoop::role);
    void query(const Frame &frame) REQUIRES(EventLoop::role);
    void overran(const Frame &frame);
    void report(const Frame &frame) REQUIRES(EventLoop::role);
    std::uint32_t child() const;
    void answer(const Frame &frame, const std::vector<int> &descriptors = {});
    void refuse(unsigned status, const std::string &text, const std::string &reportId = "");

    ConnectionContext &context_;
    FrameSocket socket_;
    std::function<void(Connection *)> closed_;
    std::optional<std::uint32_t> childSlot_;
    pid_t pid_ = 0;
    std::unique_ptr<DescriptorWatcher> watcher_;
};

}  // namespace Passenger
