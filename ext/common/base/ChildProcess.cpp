#include "base/ChildProcess.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <exception>

#include "base/ChildSetup.h"
#include "base/Exceptions.h"
#include "base/SignalsBlocked.h"

namespace Passenger {

namespace {

FileDescriptor openNullDevice() {
    const int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        throw SystemException("open(\"/dev/null\")", errno);
    }
    return FileDescriptor(fd);
}

pid_t forkAndRun(const ChildSetup &setup, int statusPipe) {
    // No handler of the parent runs in the child between fork and exec.
    const SignalsBlocked blocked;
    const pid_t pid = ::fork();
    if (pid == 0) {
        setup.run(statusPipe);
    }
    throwUnless(pid >= 0, "fork");
    return pid;
}

/** @return nothing if a successful exec closed the pipe */
std::optional<ChildSetup::Failure> readFailure(const FileDescriptor &pipe) {
    ChildSetup::Failure failure;
    ssize_t size;
    do {
        size = ::read(pipe.get(), &failure, sizeof failure);
    } while (size < 0 && errno == EINTR);
    throwUnless(size >= 0, "read(status pipe)");
    if (size == sizeof failure) {
        return failure;
    }
    return std::nullopt;
}

void throwFailure(const FileDescriptor &pipe, const std::string &program) {
    if (const auto failure = readFailure(pipe)) {
        throw SystemException(ChildSetup::describe(failure->step) + "(\"" + program + "\")", failure->error);
    }
}

}  // namespace

ChildProcess::ChildProcess(const Command &command) : ChildProcess() {
    const FileDescriptor nullDevice = openNullDevice();
    DescriptorPair status = makePipe();
    const ChildSetup setup(command, nullDevice.get());

    // If this throws, the destructor ends the child.
    pid_ = forkAndRun(setup, status.second.get());
    status.second.reset();
    try {
        pidFd_ = openPidFd(pid_);
    } catch (const SystemException &error) {
        if (error.error() == ESRCH) {
            // SIGCHLD is ignored, and the kernel has reaped the child. Its pid may be another's.
            pid_ = 0;
            throwFailure(status.first, command.program);
        }
        throw;
    }
    throwFailure(status.first, command.program);
}

ChildProcess::ChildProcess(ChildProcess &&other) noexcept
    : pid_(std::exchange(other.pid_, 0)), pidFd_(std::move(other.pidFd_)) {}

ChildProcess &ChildProcess::operator=(ChildProcess &&other) noexcept {
    if (this != &other) {
        kill();
        pid_ = std::exchange(other.pid_, 0);
        pidFd_ = std::move(other.pidFd_);
    }
    return *this;
}

ChildProcess::~ChildProcess() {
    kill();
}

bool ChildProcess::signal(int signal) {
    return pid_ > 0 && signalPidFd(pidFd_, signal);
}

std::optional<int> ChildProcess::wait(std::chrono::milliseconds timeout) {
    if (pid_ <= 0 || !waitPidFd(pidFd_, timeout)) {
        return std::nullopt;
    }
    return reap(WNOHANG);
}

bool ChildProcess::killWithin(std::chrono::milliseconds patience) {
    signal(SIGKILL);
    if (pid_ > 0 && !wait(patience)) {
        release();
        return false;
    }
    return true;
}

pid_t ChildProcess::release() noexcept {
    pidFd_.reset();
    return std::exchange(pid_, 0);
}

/**
 * Reaps by pid and then forgets pid and pidfd. The pid belongs to this child until it is reaped.
 */
std::optional<int> ChildProcess::reap(int options) {
    int status = 0;
    pid_t result;
    do {
        result = ::waitpid(pid_, &status, options);
    } while (result < 0 && errno == EINTR);
    if (result == 0) {
        return std::nullopt;
    }
    if (result < 0) {
        if (errno != ECHILD) {
            throw SystemException("waitpid(" + std::to_string(pid_) + ")", errno);
        }
        status = UNKNOWN_WAIT_STATUS;
    }
    static_cast<void>(release());
    return status;
}

void ChildProcess::kill() noexcept {
    if (pid_ <= 0) {
        return;
    }
    try {
        if (pidFd_) {
            signalPidFd(pidFd_, SIGKILL);
        } else {
            ::kill(pid_, SIGKILL);
        }
        reap(0);
    } catch (const std::exception &) {
        // EPERM: the process has changed its user, so the caller may not end it. Waiting for it
        // could take forever.
        static_cast<void>(release());
    }
}

std::string describeWaitStatus(int status) {
    if (WIFEXITED(status)) {
        return "exited with status " + std::to_string(WEXITSTATUS(status));
    }
    if (WIFSIGNALED(status)) {
        const int signal = WTERMSIG(status);
        const char *name = sigdescr_np(signal);
        return "killed by signal " + std::to_string(signal) + " (" + (name != nullptr ? name : "unknown") + ")";
    }
    return "ended in an unknown way";
}

int signalOfShell(int waitStatus) noexcept {
    constexpr int BY_SIGNAL = 128;
    constexpr std::array DEADLY{SIGKILL, SIGTERM, SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE, SIGSYS};
    const int signal = WIFEXITED(waitStatus) ? WEXITSTATUS(waitStatus) - BY_SIGNAL : 0;
    return std::find(DEADLY.begin(), DEADLY.end(), signal) == DEADLY.end() ? 0 : signal;
}

std::string describeEnd(int status) {
    return (WIFSIGNALED(status) ? "was " : "") + describeWaitStatus(status);
}

}  // namespace Passenger
