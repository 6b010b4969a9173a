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
        // The lowest that was free: 0, 1 or 2, which is to stay open over an exec.
        ::fcntl(fd, F_SETFD, 0);
    }
}

}  // namespace Passenger
