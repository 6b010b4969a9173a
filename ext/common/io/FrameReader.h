#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/FileDescriptor.h"
#include "io/Frame.h"
#include "io/SocketPair.h"

namespace Passenger {

/**
 * Assembles frames from pieces of any size. Owns the descriptors until their frame is taken. Not
 * thread-safe. Does not use a socket, so tests can feed any bytes.
 *
 * The resulting frames and error do not depend on the division into pieces. next() still returns
 * the complete frames before an error. All bytes after an error are ignored. A CHANNEL may lack its
 * descriptor.
 */
class FrameReader {
public:
    /** @param maxSize of a frame's fields, in bytes */
    explicit FrameReader(std::size_t maxSize = Frame::MAX_SIZE) : maxSize_(maxSize) {}

    /** Adds the result of one read. next() reports errors in it. */
    void feed(std::string_view bytes, std::vector<FileDescriptor> descriptors, const PeerCredentials &sender = {});
    /**
     * The next complete frame, if there is one.
     * @throws ProtocolException for a broken limit or form, at every further call too
     */
    std::optional<Frame> next();
    /** Whether a frame is incomplete: an end of file is then an error. */
    bool midFrame() const noexcept { return !buffer_.empty(); }

private:
    std::size_t parseFrame(std::string_view bytes, const PeerCredentials &sender);
    static std::vector<std::string> parseFields(std::string_view bytes);

    std::size_t maxSize_;
    /** Complete frames that next() has not returned yet. */
    std::deque<Frame> frames_;
    /** The first bytes of an incomplete frame. */
    std::string buffer_;
    /** The sender of these bytes. */
    PeerCredentials bufferSender_;
    /** Descriptors of frames that are incomplete. */
    std::deque<FileDescriptor> descriptors_;
    std::string error_;
};

}  // namespace Passenger
