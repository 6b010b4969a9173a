#pragma once

#include "base/Mutex.h"
#include "io/Frame.h"

namespace Passenger::Bridge {

/** The control socket to the agent (doc/PROTOCOLS.md, section 4.3). One thread at a time reads, any may write. */
class ControlSocket {
public:
    explicit ControlSocket(FileDescriptor socket) : socket_(std::move(socket)) {}

    /** @throws IOException, SystemException */
    Frame receive(FrameSocket::Deadline deadline);
    void send(const Frame &frame) EXCLUDES(mutex_);
    /** The same where it does not matter whether anybody is there: whoever reads will see. */
    void tell(const Frame &frame) noexcept EXCLUDES(mutex_);
    /** The same where nobody waits for room either. For frames without descriptors or fields: they pass whole or not at all. */
    void tellIfRoom(const Frame &frame) noexcept EXCLUDES(mutex_);
    int descriptor() const noexcept {
        return socket_.descriptor().get();
    }

private:
    Mutex mutex_{Locks::BRIDGE_CONTROL};
    /** Its sending half is guarded by the mutex. */
    FrameSocket socket_;
};

}  // namespace Passenger::Bridge
