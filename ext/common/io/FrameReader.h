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
 * Puts frames together from whatever pieces arrive. Owns the descriptors until their frame is taken. Not thread-safe; knows no socket,
 * so that any sequence of bytes can be tried on it.
 *
 * The frames that come out, and the error if there is one, do not depend on how the bytes were cut into pieces: whole frames before
 * an error are still handed out. After an error everything that comes is thrown away.
 */
class FrameReader {
public:
    /** Adds what one read brought. What is wrong with it is reported by next(). */
    void feed(std::string_view bytes, std::vector<FileDescriptor> descriptors, const PeerCredentials &sender = {});
    /** The next whole frame, if there is one. @throws ProtocolException when a limit or the form is broken, again and again */
    std::optional<Frame> next();
    /** Whether a frame has begun and not ended: an end of file now is an error. */
    bool midFrame() const noexcept {
        return !buffer_.empty();
    }

private:
    std::size_t parseFrame(std::string_view bytes, const PeerCredentials &sender);
    static std::vector<std::string> parseFields(std::string_view bytes);

    /** Whole frames that were not taken yet. */
    std::deque<Frame> frames_;
    /** The beginning of the frame that is under way. */
    std::string buffer_;
    /** Who sent that beginning. */
    PeerCredentials bufferSender_;
    /** Arrived with bytes of frames that are not whole yet. */
    std::deque<FileDescriptor> descriptors_;
    std::string error_;
};

}  // namespace Passenger
