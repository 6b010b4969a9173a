#pragma once

#include <cstdint>
#include <span>

namespace Passenger {

/** Bytes at a position of a file. Interrupted and partial system calls are continued. */
namespace FileBytes {

/** Fills `bytes`. @return 0, or an errno value; EIO: the file ends before */
int read(int file, std::uint64_t position, std::span<char> bytes) noexcept;
/** @return 0, or an errno value: a part may have been written */
int write(int file, std::uint64_t position, std::span<const char> bytes) noexcept;

}  // namespace FileBytes

}  // namespace Passenger
