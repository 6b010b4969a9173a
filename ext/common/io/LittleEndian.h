#pragma once

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

namespace Passenger {

/** Appends a number with the least significant byte first, on any machine. */
template <std::unsigned_integral T> void appendLittleEndian(std::string &bytes, T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        bytes += static_cast<char>((value >> (8 * i)) & 0xFF);
    }
}

/** The number at `offset`. `bytes` must contain all of it. */
template <std::unsigned_integral T> T readLittleEndian(std::string_view bytes, std::size_t offset) {
    T value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        value = static_cast<T>(
            value | static_cast<T>(static_cast<T>(static_cast<unsigned char>(bytes[offset + i])) << (8 * i)));
    }
    return value;
}

}  // namespace Passenger
