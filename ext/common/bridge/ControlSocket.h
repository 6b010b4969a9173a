#pragma once

#include <optional>
#include <utility>

#include "base/Mutex.h"
#include "io/Frame.h"

namespace Passenger::Bridge {

/**
 * The control socket to the agent (doc/PROTOCOLS.md, section 4.3). Owned by the bridge. The main
 * thread reads; any thread writes.
 */
class ControlSocket {
public:
    explicit ControlSocket(FileDescriptor socket) : socket_(std::move(socket)) {}

    /** @throws IOException, SystemException */
    Frame receive(FrameSocket::Deadline deadline) { return socket_.receive(deadline); }
    /** Does not wait. @throws as receive() */
    std::optional<Frame> tryReceive() { return socket_.tryReceive(); }
    void send(const Frame &frame) EXCLUDES(mutex_);
    /** The same without an error: the thread that reads sees that the agent has gone. */
    void tell(const Frame &frame) noexcept EXCLUDES(mutex_);
    /**
     * send() and tell() without waiting for room. Only for short frames without descriptors, which
     * the kernel takes whole or not at all.
     * @throws TimeoutException: there is none
     */
    void sendIfRoom(const Frame &frame) EXCLUDES(mutex_);
    void tellIfRoom(const Frame &frame) noexcept EXCLUDES(mutex_);
    int descriptor() const noexcept { return socket_.descriptor().get(); }

private:
    Mutex mutex_{Locks::BRIDGE_CONTROL};
    /** The mutex guards only sending. */
    FrameSocket socket_;
};

}  // namespace Passenger::Bridge
