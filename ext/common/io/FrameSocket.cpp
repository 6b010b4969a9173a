#include "io/FrameSocket.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <span>
#include <string_view>
#include <thread>

#include "base/Exceptions.h"
#include "base/Poll.h"

namespace Passenger {

namespace {

/**
 * Each read uses a buffer of this size on the stack. Most frames are smaller; larger ones take
 * several reads.
 */
constexpr std::size_t READ_SIZE = 16 * 1024;
constexpr std::size_t DESCRIPTOR_COUNT_OFFSET = 6;
/** How long a frame waits for other descriptors of the user to be taken. Most are taken at once;
 *  others may never be. */
constexpr std::chrono::milliseconds UNDER_WAY_TIME{500};

/**
 * Sends as many bytes as the socket accepts now; 0 if it accepts none. If the socket accepts bytes
 * but no descriptors, the function retries until the deadline, for UNDER_WAY_TIME at most.
 */
std::size_t sendNow(const FileDescriptor &socket, std::string_view bytes, std::span<const int> descriptors,
                    FrameSocket::Deadline deadline) {
    const FrameSocket::Deadline end = std::min(deadline, FrameSocket::in(UNDER_WAY_TIME));
    for (;;) {
        try {
            return sendWithDescriptors(socket, bytes, descriptors, MSG_DONTWAIT);
        } catch (const SystemException &exception) {
            if (exception.error() == EAGAIN) {
                return 0;
            }
            if (exception.error() != ETOOMANYREFS || std::chrono::steady_clock::now() >= end) {
                throw;
            }
        }
        std::this_thread::sleep_for(UNDER_WAY_PAUSE);
    }
}

}  // namespace

void FrameSocket::send(const Frame &frame, Deadline deadline) {
    send(frame, {}, deadline);
}

void FrameSocket::send(const Frame &frame, const std::vector<int> &attached, Deadline deadline) {
    if (cutOff_) {
        throw ProtocolException("An earlier frame was sent in part only");
    }
    std::vector<int> descriptors = numbersOf(frame.descriptors);
    descriptors.insert(descriptors.end(), attached.begin(), attached.end());
    if (descriptors.size() > MAX_DESCRIPTORS) {
        throw ProtocolException("Too many descriptors for one frame: " + std::to_string(descriptors.size()));
    }
    std::string bytes = frame.encode();
    bytes[DESCRIPTOR_COUNT_OFFSET] = static_cast<char>(descriptors.size());

    std::string_view left = bytes;
    while (!left.empty()) {
        const bool first = left.size() == bytes.size();
        const std::size_t sent =
            sendNow(socket_, left, first ? std::span<const int>(descriptors) : std::span<const int>(), deadline);
        left.remove_prefix(sent);
        cutOff_ = left.size() != bytes.size() && !left.empty();
        if (sent == 0 && !pollUntil(socket_.get(), POLLOUT, deadline)) {
            throw TimeoutException("The peer did not take a frame in time");
        }
    }
}

Frame FrameSocket::receive(Deadline deadline) {
    for (;;) {
        if (auto frame = nextFrame()) {
            return std::move(*frame);
        }
        if (!pollUntil(socket_.get(), POLLIN, deadline)) {
            throw TimeoutException("The peer sent no frame in time");
        }
        readSome(READ_SIZE);
    }
}

std::optional<Frame> FrameSocket::tryReceive() {
    std::size_t room = std::numeric_limits<std::size_t>::max();
    return tryReceive(room);
}

std::optional<Frame> FrameSocket::tryReceive(std::size_t &room) {
    for (;;) {
        if (auto frame = nextFrame()) {
            return frame;
        }
        if (room == 0 || !pollUntil(socket_.get(), POLLIN, Deadline::min())) {
            return std::nullopt;
        }
        const std::size_t size = readSome(std::min(room, READ_SIZE));
        if (size == 0) {
            return std::nullopt;
        }
        room -= size;
    }
}

void FrameSocket::shutDown() noexcept {
    ::shutdown(socket_.get(), SHUT_RDWR);
}

void FrameSocket::refuseDescriptors() noexcept {
    refusesDescriptors_ = true;
    denyDescriptors(socket_);
}

/** A frame that lacks its descriptors is an error of this process, if it has lost some. */
std::optional<Frame> FrameSocket::nextFrame() {
    try {
        return reader_.next();
    } catch (const ProtocolException &) {
        if (descriptorsLost_) {
            throw SystemException("A frame came whose descriptors this process cannot open", EMFILE);
        }
        throw;
    }
}

/** Reads once, without waiting, and feeds the reader. @return the size; 0: no data was there */
std::size_t FrameSocket::readSome(std::size_t most) {
    std::array<char, READ_SIZE> buffer;
    Received received;
    try {
        received = receiveWithDescriptors(socket_, std::span(buffer).first(most), MSG_DONTWAIT);
    } catch (const SystemException &exception) {
        if (exception.error() == EAGAIN) {
            return 0;
        }
        if (exception.error() == ECONNRESET) {
            // The peer closed a Unix socket while its receive queue had unread data. The caller
            // gets the same error as for an end of file.
            throw EndOfFileException("The peer closed the connection");
        }
        throw;
    }
    if (received.descriptorsLost) {
        // The kernel gives the frames before that one in the same read.
        descriptorsLost_ = true;
        received.descriptors.clear();
    } else if (received.truncated) {
        throw ProtocolException("More descriptors arrived than a frame may have");
    }
    if (refusesDescriptors_ && !received.descriptors.empty()) {
        throw ProtocolException("Descriptors arrived, and the peer may send none");
    }
    if (received.size == 0) {
        throw EndOfFileException(reader_.midFrame() ? "The peer closed the connection within a frame"
                                                    : "The peer closed the connection");
    }
    reader_.feed(std::string_view(buffer.data(), received.size), std::move(received.descriptors), received.credentials);
    if (received.descriptorsLost && reader_.midFrame()) {
        // The rest of the frame could come together with the descriptors of the next one.
        throw SystemException("A part of a frame came whose descriptors this process cannot open", EMFILE);
    }
    return received.size;
}

bool lostContact(const std::exception &error) noexcept {
    const auto *system = dynamic_cast<const SystemException *>(&error);
    return dynamic_cast<const EndOfFileException *>(&error) != nullptr ||
           (system != nullptr && (system->error() == EPIPE || system->error() == ECONNRESET));
}

}  // namespace Passenger
