#include "commands/CommandLimit.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "commands/CommandFailure.h"

namespace Passenger {

std::optional<int> limitCommand(std::chrono::milliseconds limit) {
    constexpr int BY_SIGNAL = 128;
    const pid_t caller = ::getpid();
    const pid_t worker = ::fork();
    throwUnless(worker >= 0, "fork");
    if (worker == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != caller) {
            ::_exit(ExitStatus::FAILED);
        }
        return std::nullopt;
    }
    if (!waitPidFd(openPidFd(worker), limit)) {
        ::kill(worker, SIGKILL);
        throw CommandFailureException(
            fmt::format("it has not ended after {} s: the kernel lets it wait for a file or a process of another user",
                        std::chrono::duration_cast<std::chrono::seconds>(limit).count()));
    }
    int status = 0;
    ::waitpid(worker, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : BY_SIGNAL + WTERMSIG(status);
}

}  // namespace Passenger
