#pragma once

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "base/FileDescriptor.h"
#include "io/Frame.h"
#include "io/FrameReader.h"

namespace Passenger {

/**
 * Blocking frames over a stream socket, with deadlines. Owns the socket. One thread at a time sends, one receives. The socket's file
 * flags are left alone: waiting is done by poll and MSG_DONTWAIT.
 */
class FrameSocket {
public:
    using Deadline = std::chrono::steady_clock::time_point;
    static Deadline in(std::chrono::milliseconds time) {
        return std::chrono::steady_clock::now() + time;
    }

    FrameSocket() = default;
    explicit FrameSocket(FileDescriptor socket) : socket_(std::move(socket)) {}

    /** A TimeoutException in the middle of a frame makes the socket unusable for sending. Where descriptors cannot be sent since too many are on
     *  their way, it tries again until the deadline; then nothing was sent.
     *  @throws TimeoutException, SystemException (ETOOMANYREFS: see above), ProtocolException (frame too large) */
    void send(const Frame &frame, Deadline deadline);
    /** @param attached descriptors to send along, which stay the caller's */
    void send(const Frame &frame, const std::vector<int> &attached, Deadline deadline);
    /** After a TimeoutException it may be called again. @throws TimeoutException, EndOfFileException, ProtocolException, SystemException */
    Frame receive(Deadline deadline);
    /** A frame if a whole one is here already; never waits. @throws as receive() */
    std::optional<Frame> tryReceive();

    const FileDescriptor &descriptor() const noexcept {
        return socket_;
    }
    FileDescriptor release() noexcept {
        return std::move(socket_);
    }
    explicit operator bool() const noexcept {
        return static_cast<bool>(socket_);
    }

private:
    bool readSome(int flags);

    FileDescriptor socket_;
    FrameReader reader_;
    /** A frame was begun and not ended: anything more would be read as its rest. */
    bool cutOff_ = false;
};

}  // namespace Passenger
