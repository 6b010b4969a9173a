#include "base/SignalDescriptor.h"

#include <sys/signalfd.h>

#include <cerrno>
#include <csignal>

#include "base/Exceptions.h"

namespace Passenger {

FileDescriptor makeSignalDescriptor(std::initializer_list<int> signals) {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : signals) {
        sigaddset(&set, signal);
    }
    if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
        throw SystemException("pthread_sigmask", error);
    }
    FileDescriptor descriptor(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!descriptor) {
        throw SystemException("signalfd", errno);
    }
    return descriptor;
}

}  // namespace Passenger
