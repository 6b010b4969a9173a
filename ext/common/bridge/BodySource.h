#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/Channels.h"

namespace Passenger::Bridge {

/** The request's bytes ended before their end: most often the client has gone. */
class BodyBrokenOff {};

/**
 * Request bytes that follow on the reply channel in BODY messages: the rest of a long environment, then the body. A request that was sent
 * again has a new ticket, but what came under the earlier ones is not sent again. Used by one thread.
 */
class BodySource {
public:
    /** @param first, last tickets that the exchange has had */
    BodySource(const Channel &channel, std::uint64_t first, std::uint64_t last);

    /** Waits for the next message and takes it. Its bytes, perhaps none, are valid until the next call. @throws BodyBrokenOff */
    std::string_view receive();
    /** Waits for exactly that many bytes; what came with them receive() gives. @throws BodyBrokenOff */
    std::string receiveExactly(std::size_t length);
    /** Whether there is something that receive() gives without waiting for the channel. */
    bool hasUnread() const noexcept {
        return !unread_.empty();
    }
    /** The last message was taken. What is unread is still to come. */
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
