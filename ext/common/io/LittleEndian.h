#pragma once

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

namespace Passenger {

/** Appends a number as it is sent: the least significant byte first, whatever the machine does. */
template <std::unsigned_integral T> void appendLittleEndian(std::string &bytes, T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        bytes += static_cast<char>((value >> (8 * i)) & 0xFF);
    }
}

/** The number at `offset`; all its bytes must be there. */
template <std::unsigned_integral T> T readLittleEndian(std::string_view bytes, std::size_t offset) {
    T value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        value = static_cast<T>(
            value | static_cast<T>(static_cast<T>(static_cast<unsigned char>(bytes[offset + i])) << (8 * i)));
    }
    return value;
}

}  // namespace Passenger
