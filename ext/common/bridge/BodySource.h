#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/Channels.h"

namespace Passenger::Bridge {

/** The request's body ended too early: most often the client left. */
struct BodyBrokenOff {};

/**
 * The request's bytes that come on the reply channel in BODY messages: the rest of a long
 * environment, then the body. A request that is sent again has a new ticket, but BODY messages
 * under its earlier tickets stay valid. Owned by one exchange; used by one thread.
 */
class BodySource {
public:
    /** @param first, last the range of tickets that the exchange has had */
    BodySource(const Channel &channel, std::uint64_t first, std::uint64_t last);

    /**
     * Waits for the next message. Its bytes, perhaps none, are valid until the next call.
     * @throws BodyBrokenOff
     */
    std::string_view receive();
    /**
     * Waits for exactly `length` bytes; receive() returns the bytes that came with them.
     * @throws BodyBrokenOff
     */
    std::string receiveExactly(std::size_t length);
    /** Whether receive() has bytes without waiting for the channel. */
    bool hasUnread() const noexcept {
        return !unread_.empty();
    }
    /** The last message was taken. There may be unread bytes. */
    bool ended() const noexcept {
        return ended_;
    }

private:
    std::string_view accept(std::size_t size);

    const Channel &channel_;
    const std::uint64_t first_;
    const std::uint64_t last_;
    std::vector<char> buffer_;
    std::string unread_;
    std::size_t discarded_ = 0;
    bool ended_ = false;
};

}  // namespace Passenger::Bridge
