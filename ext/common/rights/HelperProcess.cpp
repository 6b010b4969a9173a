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
/** P_PIDFD of waitid(2), which glibc declares from 2.36 on. */
constexpr auto BY_PIDFD = static_cast<idtype_t>(3);

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
    int status = UNKNOWN_WAIT_STATUS;
    // Only an own child that has ended: its pid is no other process's before this reaps it.
    if (pidFd_ && ::waitid(BY_PIDFD, static_cast<id_t>(pidFd_.get()), &end, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        end.si_pid != 0) {
        ::waitpid(end.si_pid, &status, WNOHANG);
    }
    pid_ = 0;
    pidFd_.reset();
    return status;
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
