#include "shm/SharedMemory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/Exceptions.h"
#include "base/FileBytes.h"
#include "shm/Layouts.h"

// Older versions of <linux/memfd.h> lack it.
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace Passenger {

namespace {

constexpr int SIZE_SEALS = F_SEAL_SHRINK | F_SEAL_GROW;

FileDescriptor createMemoryFile(const std::string &name) {
    int fd = ::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) {
        // Linux before 6.3 does not know the flag. A newer one can be configured to require it.
        fd = ::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING);
    }
    if (fd < 0) {
        throw SystemException("memfd_create(\"" + name + "\")", errno);
    }
    return FileDescriptor(fd);
}

/** The kernel's answer to a size beyond the limit is SIGXFSZ. httpd ignores the signal only when it
 *  serves, and would end here without a word. */
void checkFileSizeLimit(const std::string &name, std::size_t size) {
    rlimit limit{};
    throwUnless(::getrlimit(RLIMIT_FSIZE, &limit) == 0, "getrlimit");
    if (limit.rlim_cur < size) {
        throw SystemException("RLIMIT_FSIZE is " + std::to_string(limit.rlim_cur) + ", and \"" + name + "\" needs " +
                                  std::to_string(size) + " bytes; raise the limit (systemd: LimitFSIZE=)",
                              EFBIG);
    }
}

}  // namespace

SharedMemory::SharedMemory(const std::string &name, std::size_t size) : fd_(createMemoryFile(name)), size_(size) {
    // The mode keeps the holder of a read-only descriptor from opening the file for writing.
    if (::fchmod(fd_.get(), S_IRUSR | S_IWUSR) != 0) {
        throw SystemException("fchmod(\"" + name + "\")", errno);
    }
    checkFileSizeLimit(name, size);
    if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) {
        throw SystemException("ftruncate(\"" + name + "\")", errno);
    }
    // F_SEAL_SEAL, too: no process can add a write seal, which would stop a restarted agent.
    if (::fcntl(fd_.get(), F_ADD_SEALS, SIZE_SEALS | F_SEAL_SEAL) != 0) {
        throw SystemException("fcntl(F_ADD_SEALS, \"" + name + "\")", errno);
    }
}

SharedMemory::SharedMemory(const std::string &name, std::size_t size, std::uint32_t magic, std::uint32_t capacity)
    : SharedMemory(name, size) {
    MemoryHeader header{};
    header.magic = magic;
    header.version = LAYOUT_VERSION;
    header.capacity = capacity;
    write(&header, sizeof(header), 0);
}

SharedMemory SharedMemory::adopt(FileDescriptor fd, std::size_t size) {
    const int seals = ::fcntl(fd.get(), F_GET_SEALS);
    if (seals < 0 || (seals & SIZE_SEALS) != SIZE_SEALS) {
        throw ProtocolException("A descriptor for shared memory is not sealed against resizing");
    }
    const int flags = ::fcntl(fd.get(), F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY) {
        throw ProtocolException("A descriptor for shared memory cannot be read");
    }
    struct stat status {};
    throwUnless(::fstat(fd.get(), &status) == 0, "fstat");
    if (static_cast<std::size_t>(status.st_size) < size) {
        throw ProtocolException("Shared memory is too small: " + std::to_string(status.st_size) + " bytes instead of " +
                                std::to_string(size));
    }
    SharedMemory result;
    result.fd_ = std::move(fd);
    result.size_ = size;
    return result;
}

FileDescriptor SharedMemory::readOnlyDescriptor() const {
    const std::string path = "/proc/self/fd/" + std::to_string(fd_.get());
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        throw SystemException("open(\"" + path + "\")", errno);
    }
    return FileDescriptor(fd);
}

void SharedMemory::read(void *buffer, std::size_t length, std::size_t offset) const {
    if (const int error = FileBytes::read(fd_.get(), offset, {static_cast<char *>(buffer), length}); error != 0) {
        throw SystemException("pread(shared memory)", error);
    }
}

void SharedMemory::write(const void *buffer, std::size_t length, std::size_t offset) {
    if (const int error = FileBytes::write(fd_.get(), offset, {static_cast<const char *>(buffer), length});
        error != 0) {
        // Beyond the end: EPERM, from the seal.
        throw SystemException("pwrite(shared memory)", error);
    }
}

}  // namespace Passenger
