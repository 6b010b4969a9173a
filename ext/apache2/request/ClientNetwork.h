#pragma once

#include <string_view>

namespace Passenger {

/**
 * The bytes of an address that stand for one client. An IPv6 client has all addresses of a network
 * of 64 bits, and can use another one for each request. An IPv4 address is whole, also one in a
 * form of IPv6: ::ffff:192.0.2.1, as a socket for both has it, or 64:ff9b::192.0.2.1, as
 * translators make it (RFC 6052).
 *
 * @param address 4 or 16 bytes
 */
constexpr std::string_view clientNetwork(std::string_view address) noexcept {
    constexpr std::size_t IPV6 = 16;
    constexpr std::size_t NETWORK = 8;
    constexpr std::string_view MAPPED("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
    constexpr std::string_view TRANSLATED("\0\x64\xff\x9b\0\0\0\0\0\0\0\0", 12);
    if (address.size() != IPV6) {
        return address;
    }
    const bool isIpv4 = address.starts_with(MAPPED) || address.starts_with(TRANSLATED);
    return isIpv4 ? address.substr(MAPPED.size()) : address.substr(0, NETWORK);
}

}  // namespace Passenger
