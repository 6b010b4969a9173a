#pragma once

#include <cstddef>

#include "base/FileDescriptor.h"

namespace Passenger {

/** A mapping of a memory file. Owns the mapping, not the descriptor. Moves, never copies. */
class Mapping {
public:
    enum class Access { READ_ONLY, READ_WRITE };

    Mapping() noexcept = default;
    /**
     * @throws SystemException
     * @throws ProtocolException when the file is too short or not sealed against shrinking
     */
    Mapping(const FileDescriptor &fd, std::size_t size, Access access);
    Mapping(Mapping &&other) noexcept;
    Mapping &operator=(Mapping &&other) noexcept;
    Mapping(const Mapping &) = delete;
    Mapping &operator=(const Mapping &) = delete;
    ~Mapping();

    template <typename T> T *at(std::size_t offset) const noexcept {
        return reinterpret_cast<T *>(static_cast<char *>(address_) + offset);
    }
    explicit operator bool() const noexcept { return address_ != nullptr; }
    std::size_t size() const noexcept { return size_; }

private:
    void *address_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace Passenger
