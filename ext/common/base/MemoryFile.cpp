#include "base/MemoryFile.h"

#include <sys/mman.h>

#include <cerrno>

#include "base/Exceptions.h"

// Older versions of <linux/memfd.h> lack it.
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace Passenger {

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

}  // namespace Passenger
