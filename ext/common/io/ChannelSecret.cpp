#include "io/ChannelSecret.h"

#include <sys/random.h>

#include <algorithm>
#include <cstring>

#include "base/Exceptions.h"

namespace Passenger {

ChannelSecret ChannelSecret::random() {
    ChannelSecret secret;
    throwUnless(::getentropy(secret.bytes_.data(), SIZE) == 0, "getentropy");
    return secret;
}

std::optional<ChannelSecret> ChannelSecret::from(std::string_view bytes) {
    if (bytes.size() != SIZE) {
        return std::nullopt;
    }
    ChannelSecret secret;
    std::copy(bytes.begin(), bytes.end(), secret.bytes_.begin());
    return secret;
}

bool ChannelSecret::begins(std::span<const char> content) const noexcept {
    return content.size() >= SIZE && std::memcmp(content.data(), bytes_.data(), SIZE) == 0;
}

}  // namespace Passenger
