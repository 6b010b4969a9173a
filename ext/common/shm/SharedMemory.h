#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/FileDescriptor.h"
#include "shm/Mapping.h"

namespace Passenger {

/**
 * A memory file (memfd) of fixed size, mode 0600, sealed against growing and shrinking, so that nobody who maps it can be
 * hurt by SIGBUS. No write seal: whoever holds the writable descriptor writes.
 */
class SharedMemory {
public:
    SharedMemory() = default;
    /** Creates one, filled with zeros. @param name shows in /proc/PID/fd. @throws SystemException */
    SharedMemory(const std::string &name, std::size_t size);
    /** The same, beginning with a MemoryHeader. */
    SharedMemory(const std::string &name, std::size_t size, std::uint32_t magic, std::uint32_t capacity);
    /** Takes over a descriptor that somebody else sent; checks that it is sealed and at least `size` long.
     *  @throws ProtocolException when it is not */
    static SharedMemory adopt(FileDescriptor fd, std::size_t size);
    /** The writable descriptor (of an adopted one: whatever was sent). */
    const FileDescriptor &descriptor() const noexcept {
        return fd_;
    }
    std::size_t size() const noexcept {
        return size_;
    }
    explicit operator bool() const noexcept {
        return static_cast<bool>(fd_);
    }
    /** A descriptor through which the file can be read but not written. Only while this process still has the user that made the
     *  file (mode 0600). @throws SystemException */
    FileDescriptor readOnlyDescriptor() const;
    /** Reads or writes exactly `length` bytes by system call. @throws SystemException */
    void read(void *buffer, std::size_t length, std::size_t offset) const;
    void write(const void *buffer, std::size_t length, std::size_t offset);

    std::uint64_t readU64(std::size_t offset) const;
    std::uint32_t readU32(std::size_t offset) const;
    void writeU64(std::uint64_t value, std::size_t offset);
    void writeU32(std::uint32_t value, std::size_t offset);

private:
    FileDescriptor fd_;
    std::size_t size_ = 0;
};

}  // namespace Passenger
