#include "shm/Mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <utility>

#include "base/Exceptions.h"

namespace Passenger {

Mapping::Mapping(const FileDescriptor &fd, std::size_t size, Access access) {
    const int seals = ::fcntl(fd.get(), F_GET_SEALS);
    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
        throw ProtocolException("A descriptor to be mapped is not sealed against shrinking");
    }
    // After the look at the seal: the size could still change before it.
    struct stat status {};
    throwUnless(::fstat(fd.get(), &status) == 0, "fstat");
    if (static_cast<std::size_t>(status.st_size) < size) {
        throw ProtocolException("Shared memory is too small to be mapped: " + std::to_string(status.st_size) +
                                " bytes instead of " + std::to_string(size));
    }
    const int protection = access == Access::READ_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
    void *address = ::mmap(nullptr, size, protection, MAP_SHARED, fd.get(), 0);
    throwUnless(address != MAP_FAILED, "mmap(shared memory)");
    address_ = address;
    size_ = size;
}

Mapping::Mapping(Mapping &&other) noexcept
    : address_(std::exchange(other.address_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Mapping &Mapping::operator=(Mapping &&other) noexcept {
    Mapping moved(std::move(other));
    std::swap(address_, moved.address_);
    std::swap(size_, moved.size_);
    return *this;
}

Mapping::~Mapping() {
    if (address_ != nullptr) {
        ::munmap(address_, size_);
    }
}

}  // namespace Passenger
