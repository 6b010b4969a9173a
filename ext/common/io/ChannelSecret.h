#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>

#include "shm/Layouts.h"

namespace Passenger {

/**
 * 128 random bits of a reply channel, which only its child and the agent know. The agent's messages
 * on the channel begin with them: instances have the same end of the channel, and could send such
 * messages, too. A plain value.
 */
class ChannelSecret {
public:
    static constexpr std::size_t SIZE = CHANNEL_SECRET;

    /** A new secret. @throws SystemException */
    static ChannelSecret random();
    /** Nothing: the bytes are not a secret. */
    static std::optional<ChannelSecret> from(std::string_view bytes);

    std::string_view bytes() const noexcept { return {bytes_.data(), bytes_.size()}; }
    /** Whether a message's content begins with the secret. */
    bool begins(std::span<const char> content) const noexcept;

private:
    std::array<char, SIZE> bytes_{};
};

}  // namespace Passenger
