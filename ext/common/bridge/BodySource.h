#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/FileDescriptor.h"
#include "bridge/Channels.h"
#include "io/SocketPair.h"

namespace Passenger::Bridge {

/** The request's body ended too early: most often the client left. */
struct BodyBrokenOff {};
/** This process has no descriptor for the body's file. */
struct BodyNotReceived {};

/**
 * The request's bytes that come on the reply channel: the rest of a long environment, then the
 * body, both in BODY messages, or the body as a file. A request that is sent again has a new
 * ticket, but messages under its earlier tickets stay valid. Owned by one exchange; used by one
 * thread.
 */
class BodySource {
public:
    /** @param first, last the range of tickets that the exchange has had
     *  @param mayBeFile a BODY_FILE is taken */
    BodySource(const Channel &channel, std::uint64_t first, std::uint64_t last, bool mayBeFile);

    /**
     * Waits for the next message, or reads from the file. The bytes, perhaps none, are valid until
     * the next call.
     * @throws BodyBrokenOff, BodyNotReceived
     */
    std::string_view receive();
    /**
     * Waits for exactly `length` bytes; receive() returns the bytes that came with them.
     * @throws BodyBrokenOff
     */
    std::string receiveExactly(std::size_t length);
    /** Whether receive() has bytes without waiting for the channel. */
    bool hasUnread() const noexcept { return !unread_.empty() || file_; }
    /** The last message was taken. There may be unread bytes. */
    bool ended() const noexcept { return ended_; }

private:
    Received next();
    std::string_view accept(Received &received);
    void takeFile(Received &received);
    std::string_view readFile();

    const Channel &channel_;
    const std::uint64_t first_;
    const std::uint64_t last_;
    const bool mayBeFile_;
    std::vector<char> buffer_;
    std::string unread_;
    /** The body, as far as it was not read yet. httpd empties it when the exchange is over. */
    FileDescriptor file_;
    std::uint64_t fileAt_ = 0;
    std::uint64_t fileSize_ = 0;
    std::size_t discarded_ = 0;
    bool ended_ = false;
};

}  // namespace Passenger::Bridge
