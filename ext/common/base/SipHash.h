#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace Passenger {

/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012). Without the secret, an attacker cannot find two texts
 * with the same hash.
 */
class SipHash {
public:
    using Secret = std::array<unsigned char, 16>;

    static std::uint64_t of(std::string_view text, const Secret &secret) noexcept;
};

}  // namespace Passenger
