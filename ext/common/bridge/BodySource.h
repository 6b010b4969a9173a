#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/FileDescriptor.h"
#include "bridge/Channels.h"
#include "io/SocketPair.h"
#include "shm/Layouts.h"

namespace Passenger::Bridge {

/** The request's body ended too early: most often the client left. */
struct BodyBrokenOff {};
/** This process has no descriptor for the body's file. */
struct BodyNotReceived {};

/**
 * The request's bytes that come on the reply channel: the rest of a long environment, then the
 * body, both in BODY messages, or the body as a file. A request that is sent again has a new
 * ticket, but messages under its earlier tickets stay valid. Owned by one exchange. No call waits.
 */
class BodySource {
public:
    /** @param first, last the range of tickets that the exchange has had
     *  @param mayBeFile a BODY_FILE is taken */
    BodySource(const Channel &channel, std::uint64_t first, std::uint64_t last, bool mayBeFile);

    /** For one message and a byte, which a longer one has, too. */
    static constexpr std::size_t BUFFER_SIZE = MAX_MESSAGE + 1;

    /**
     * Takes the next message, if there is one, or reads from the file. The bytes, perhaps none, are
     * in the buffer.
     * @param buffer BUFFER_SIZE bytes
     * @throws BodyBrokenOff, BodyNotReceived
     */
    std::string_view receive(std::span<char> buffer);
    /**
     * Takes one message for `bytes`, which are to become `length` bytes. receive() returns the
     * bytes behind them.
     * @return whether they are complete
     * @throws BodyBrokenOff, BodyNotReceived
     */
    bool complete(std::string &bytes, std::size_t length, std::span<char> buffer);
    /** Whether receive() has bytes without the channel. */
    bool hasUnread() const noexcept { return !unread_.empty() || file_; }
    /** The last message was taken. There may be unread bytes. */
    bool ended() const noexcept { return ended_; }

private:
    std::string_view accept(Received &received, std::span<char> buffer);
    void takeFile(Received &received, std::uint64_t size);
    std::string_view readFile(std::span<char> buffer);

    const Channel &channel_;
    const std::uint64_t first_;
    const std::uint64_t last_;
    const bool mayBeFile_;
    std::string unread_;
    /** The body, as far as it was not read yet. httpd empties it when the exchange is over. */
    FileDescriptor file_;
    std::uint64_t fileAt_ = 0;
    std::uint64_t fileSize_ = 0;
    std::size_t discarded_ = 0;
    bool ended_ = false;
};

}  // namespace Passenger::Bridge
