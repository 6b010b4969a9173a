#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/FileDescriptor.h"
#include "shm/Mapping.h"

namespace Passenger {

/**
 * A memory file (memfd) of fixed size, with mode 0600. It is sealed against growing and shrinking,
 * so that no holder can have a process that maps it get SIGBUS. The kernel reserves no memory for
 * it: with vm.overcommit_memory=2 and no memory left the first write to a page raises SIGBUS. It
 * has no write seal: every holder of the writable descriptor can write. Owns the descriptor.
 */
class SharedMemory {
public:
    SharedMemory() = default;
    /**
     * Creates a file that is filled with zeros.
     * @param name shows in /proc/PID/fd
     * @throws SystemException
     */
    SharedMemory(const std::string &name, std::size_t size);
    /** Creates a file that begins with a MemoryHeader and is filled with zeros. */
    SharedMemory(const std::string &name, std::size_t size, std::uint32_t magic, std::uint32_t capacity);
    /**
     * Takes over a descriptor that another process sent.
     * @throws ProtocolException when the file is not sealed or is shorter than `size`
     */
    static SharedMemory adopt(FileDescriptor fd, std::size_t size);
    /** Writable; of an adopted file as the other process sent it. */
    const FileDescriptor &descriptor() const noexcept { return fd_; }
    std::size_t size() const noexcept { return size_; }
    explicit operator bool() const noexcept { return static_cast<bool>(fd_); }
    /**
     * A descriptor for reading only. Works only while this process has the user that made the file.
     * @throws SystemException
     */
    FileDescriptor readOnlyDescriptor() const;
    /**
     * Reads or writes exactly `length` bytes by system call.
     * @throws SystemException
     */
    void read(void *buffer, std::size_t length, std::size_t offset) const;
    void write(const void *buffer, std::size_t length, std::size_t offset);

    std::uint64_t readU64(std::size_t offset) const { return readNumber<std::uint64_t>(offset); }
    std::uint32_t readU32(std::size_t offset) const { return readNumber<std::uint32_t>(offset); }
    void writeU64(std::uint64_t value, std::size_t offset) { write(&value, sizeof value, offset); }
    void writeU32(std::uint32_t value, std::size_t offset) { write(&value, sizeof value, offset); }

private:
    template <typename Number> Number readNumber(std::size_t offset) const {
        Number value;
        read(&value, sizeof value, offset);
        return value;
    }

    FileDescriptor fd_;
    std::size_t size_ = 0;
};

}  // namespace Passenger
