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
    throwUnless(descriptor, "signalfd");
    return descriptor;
}

bool resetSignals() noexcept {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal) {
        // The call fails for SIGKILL, SIGSTOP and the signals that the C library reserves.
        ::sigaction(signal, &action, nullptr);
    }
    sigset_t none;
    sigemptyset(&none);
    return ::sigprocmask(SIG_SETMASK, &none, nullptr) == 0;
}

}  // namespace Passenger
