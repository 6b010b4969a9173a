#include "rights/HelperProcess.h"

#include <sys/wait.h>

#include <csignal>
#include <exception>
#include <utility>

#include "base/ChildProcess.h"
#include "base/PidFd.h"
#include "log/Log.h"
#include "rights/Rights.h"

namespace Passenger {

namespace {

constexpr std::chrono::seconds KILL_LIMIT{2};

/** The form of waitpid(). */
int statusIn(const siginfo_t &end) {
    constexpr int STATUS_SHIFT = 8;
    constexpr int CORE_DUMPED = 0x80;
    switch (end.si_code) {
        case CLD_EXITED: return end.si_status << STATUS_SHIFT;
        case CLD_DUMPED: return end.si_status | CORE_DUMPED;
        default: return end.si_status;
    }
}

}  // namespace

HelperProcess::HelperProcess(pid_t pid, FileDescriptor pidFd) noexcept : pid_(pid), pidFd_(std::move(pidFd)) {}

HelperProcess::HelperProcess(HelperProcess &&other) noexcept
    : pid_(std::exchange(other.pid_, 0)), pidFd_(std::move(other.pidFd_)) {}

HelperProcess &HelperProcess::operator=(HelperProcess &&other) noexcept {
    if (this != &other) {
        end();
        pid_ = std::exchange(other.pid_, 0);
        pidFd_ = std::move(other.pidFd_);
    }
    return *this;
}

HelperProcess::~HelperProcess() {
    end();
}

std::optional<int> HelperProcess::wait(std::chrono::milliseconds timeout) {
    if (pidFd_ && !waitPidFd(pidFd_, timeout)) {
        return std::nullopt;
    }
    siginfo_t end{};
    const bool own =
        pidFd_ && ::waitid(P_PIDFD, static_cast<id_t>(pidFd_.get()), &end, WEXITED | WNOHANG) == 0 && end.si_pid != 0;
    pid_ = 0;
    pidFd_.reset();
    return own ? statusIn(end) : UNKNOWN_WAIT_STATUS;
}

void HelperProcess::end() noexcept {
    try {
        if (pidFd_ && !wait(std::chrono::milliseconds(0))) {
            Rights::ofThisProcess().signal(pidFd_, SIGKILL);
            wait(KILL_LIMIT);
        }
    } catch (const std::exception &error) {
        Log::warn("event=process.kill_failed pid={} error=\"{}\"", pid_, error.what());
    }
}

}  // namespace Passenger
