#include "base/StandardDescriptors.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/Exceptions.h"

namespace Passenger {

void openStandardDescriptors() {
    for (;;) {
        const int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        if (fd < 0) {
            throw SystemException("open(\"/dev/null\")", errno);
        }
        if (fd > STDERR_FILENO) {
            ::close(fd);
            return;
        }
        // The descriptor is the lowest free number: 0, 1 or 2. It stays open over an exec.
        ::fcntl(fd, F_SETFD, 0);
    }
}

void useAsOutput(const FileDescriptor &log) {
    if (::dup2(log.get(), STDOUT_FILENO) < 0 || ::dup2(log.get(), STDERR_FILENO) < 0) {
        throw SystemException("dup2(log)", errno);
    }
}

}  // namespace Passenger
