#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

#include "base/FileDescriptor.h"
#include "io/Frame.h"
#include "io/FrameReader.h"

namespace Passenger {

/**
 * Sends and receives frames on a stream socket, blocking, with deadlines. Owns the socket. One
 * thread at a time sends, and one receives. The socket's file flags stay unchanged: the class waits
 * with poll() and uses MSG_DONTWAIT.
 */
class FrameSocket {
public:
    using Deadline = std::chrono::steady_clock::time_point;
    static Deadline in(std::chrono::milliseconds time) { return std::chrono::steady_clock::now() + time; }

    FrameSocket() = default;
    /** @param maxSize of received frames, in bytes */
    explicit FrameSocket(FileDescriptor socket, std::size_t maxSize = Frame::MAX_SIZE)
        : socket_(std::move(socket)), reader_(maxSize) {}

    /**
     * Sends a frame. After a TimeoutException in the middle of a frame the socket cannot send any
     * more. If too many descriptors are in flight, the call retries until the deadline, for half a
     * second at most; then it has sent nothing.
     * @throws TimeoutException, SystemException (ETOOMANYREFS: too many descriptors in flight),
     *     ProtocolException (frame too large)
     */
    void send(const Frame &frame, Deadline deadline);
    /** @param attached descriptors to send with the frame; the caller keeps them */
    void send(const Frame &frame, const std::vector<int> &attached, Deadline deadline);
    /**
     * Waits for a frame. May be called again after a TimeoutException.
     * @throws TimeoutException, EndOfFileException, ProtocolException, SystemException (EMFILE:
     *     this process has no descriptor left for those of the frame, which is lost; the frames
     *     before it were returned). A CHANNEL then comes without its descriptor.
     */
    Frame receive(Deadline deadline);
    /** A frame if a complete one has arrived. Never waits. @throws as receive() */
    std::optional<Frame> tryReceive();
    /**
     * The same, for a peer that may send without end: reads while there is room.
     * @param room bytes that may be read; those that were read are taken from it
     */
    std::optional<Frame> tryReceive(std::size_t &room);

    /** Ends the connection, also for duplicates of the socket: the peer sees the end of file at
     *  once, whenever the socket is closed. */
    void shutDown() noexcept;
    /** From now on the peer may send no descriptors: receive() and tryReceive() throw if any come,
     *  and the kernel refuses them if it can (denyDescriptors()). */
    void refuseDescriptors() noexcept;

    const FileDescriptor &descriptor() const noexcept { return socket_; }
    FileDescriptor release() noexcept { return std::move(socket_); }
    explicit operator bool() const noexcept { return static_cast<bool>(socket_); }

private:
    std::optional<Frame> nextFrame();
    std::size_t readSome(std::size_t most);

    FileDescriptor socket_;
    FrameReader reader_;
    /** Part of a frame was sent: the peer would read further bytes as its rest. */
    bool cutOff_ = false;
    bool refusesDescriptors_ = false;
    /** This process had no room for descriptors that came. */
    bool descriptorsLost_ = false;
};

/** Whether an error of a FrameSocket means that the other end is gone. */
bool lostContact(const std::exception &error) noexcept;

}  // namespace Passenger
