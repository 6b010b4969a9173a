#include "base/FileBytes.h"

#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace Passenger {

namespace {

/** @param transfer pread() or pwrite() @param atEnd the error where it transfers nothing */
template <typename Bytes, typename Transfer>
int transferAll(int file, std::uint64_t position, Bytes bytes, Transfer transfer, int atEnd) noexcept {
    while (!bytes.empty()) {
        const ssize_t size = transfer(file, bytes.data(), bytes.size(), static_cast<off_t>(position));
        if (size > 0) {
            position += static_cast<std::uint64_t>(size);
            bytes = bytes.subspan(static_cast<std::size_t>(size));
        } else if (size == 0) {
            return atEnd;
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

}  // namespace

int FileBytes::read(int file, std::uint64_t position, std::span<char> bytes) noexcept {
    return transferAll(file, position, bytes, ::pread, EIO);
}

int FileBytes::write(int file, std::uint64_t position, std::span<const char> bytes) noexcept {
    return transferAll(file, position, bytes, ::pwrite, ENOSPC);
}

}  // namespace Passenger
