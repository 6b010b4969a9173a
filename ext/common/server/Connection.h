#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/FileDescriptor.h"
#include "base/LimitCounts.h"
#include "base/LogLimit.h"
#include "io/Frame.h"
#include "loop/DescriptorWatcher.h"
#include "loop/EventLoop.h"
#include "pool/Pool.h"
#include "server/AttachRefusals.h"
#include "server/Children.h"
#include "server/DescriptorReserve.h"

namespace Passenger {

/** The part that all connections of a server share. */
struct ConnectionContext {
    EventLoop &loop;
    Pool &pool;
    Children &children;
    /** Unique for each pool process. */
    std::string agentId;
    /** Children send a byte on this socket when all instances are busy. */
    const FileDescriptor &wakeSocket;
    /** Sets the options that depend on the server's settings. Returns the reason, for people, why
     *  no process may have these options; nothing: it may. */
    std::function<std::optional<std::string>(Options &)> complete;
    /** A control connection for a child. May throw. */
    std::function<FileDescriptor()> connectControl;
    DescriptorReserve &reserve;
    LimitCounts &counts;
    /** As AgentSettings::obeysUsers. */
    bool obeysUsers = false;
    /** Limits log lines about errors of children. */
    LogLimit complaints{};
    /** Limits log lines about ChildLimits. */
    LogLimit limitLines{};
    AttachRefusals attachRefusals{};
};

/**
 * The agent's end of a private socket (doc/PROTOCOLS.md, section 4.1). Answers questions in order
 * and never waits; the answer to CHECK_RESTART comes once the files were looked at. A child that
 * breaks the protocol loses this connection only.
 *
 * Owned by PoolServer. Used on the event loop only.
 */
class Connection {
public:
    /** @param closed called on the loop when the connection has ended; may destroy this object */
    Connection(ConnectionContext &context, FileDescriptor socket, std::function<void(Connection *)> closed);
    ~Connection();
    Connection(const Connection &) = delete;
    Connection &operator=(const Connection &) = delete;

    /** Whether a child has said HELLO. */
    bool introduced() const noexcept { return childSlot_.has_value(); }

private:
    void readable() REQUIRES(EventLoop::role);
    void complain(const std::exception &error) REQUIRES(EventLoop::role);
    void complainOfLimit(const ChildLimitReached &reached, const char *consequence) REQUIRES(EventLoop::role);
    void handle(Frame frame) REQUIRES(EventLoop::role);
    void hello(Frame frame) REQUIRES(EventLoop::role);
    std::optional<std::string> complete(Options &options) REQUIRES(EventLoop::role);
    void attach(const Frame &frame) REQUIRES(EventLoop::role);
    void takeOptions(const Frame &frame) REQUIRES(EventLoop::role);
    void registerChannel(Frame frame) REQUIRES(EventLoop::role);
    void unregister(const Frame &frame) REQUIRES(EventLoop::role);
    void giveControl() REQUIRES(EventLoop::role);
    void query(const Frame &frame) REQUIRES(EventLoop::role);
    void takeOverrun(const Frame &frame) REQUIRES(EventLoop::role);
    void takeSlow(const Frame &frame) REQUIRES(EventLoop::role);
    void checkRestart(const Frame &frame) REQUIRES(EventLoop::role);
    void restartChecked(bool looked) REQUIRES(EventLoop::role);
    void report(const Frame &frame) REQUIRES(EventLoop::role);
    std::uint32_t child() const REQUIRES(EventLoop::role);
    void answer(const Frame &frame, const std::vector<int> &descriptors = {});
    void refuse(unsigned status, const std::string &text, const std::string &reportId = "");
    void refuseForShortage(const char *consequence) REQUIRES(EventLoop::role);
    void endInShortage() noexcept REQUIRES(EventLoop::role);

    ConnectionContext &context_;
    FrameSocket socket_;
    std::function<void(Connection *)> closed_;
    std::optional<std::uint32_t> childSlot_;
    pid_t pid_ = 0;
    std::unique_ptr<DescriptorWatcher> watcher_;
    /** Whether CHECK_RESTART is not answered yet. */
    bool checking_ = false;
    /** Expires with this object: for callbacks that are on their way. */
    std::shared_ptr<Connection *> self_ = std::make_shared<Connection *>(this);
};

}  // namespace Passenger
