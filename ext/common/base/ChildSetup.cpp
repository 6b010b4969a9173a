#include "base/ChildSetup.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <string_view>

#include "base/SignalDescriptor.h"

namespace Passenger {

namespace {

constexpr int FIRST_ORDINARY_DESCRIPTOR = 3;

/** The paths to try, in order. */
std::vector<std::string> candidates(const std::string &program) {
    if (program.find('/') != std::string::npos) {
        return {program};
    }
    const char *variable = std::getenv("PATH");
    std::string_view path = variable != nullptr ? variable : "/usr/local/bin:/usr/bin:/bin";
    std::vector<std::string> result;
    for (;;) {
        const auto colon = path.find(':');
        const auto folder = path.substr(0, colon);
        // An empty entry means the current folder. A server's administrator does not intend that.
        if (!folder.empty()) {
            result.push_back(std::string(folder) + '/' + program);
        }
        if (colon == std::string_view::npos) {
            return result;
        }
        path.remove_prefix(colon + 1);
    }
}

[[noreturn]] void fail(int statusPipe, ChildSetup::Step step, int error) noexcept {
    const ChildSetup::Failure failure{step, error};
    // The parent ignores an incomplete Failure. A write below PIPE_BUF is complete.
    const ssize_t written = ::write(statusPipe, &failure, sizeof failure);
    ::_exit(written == sizeof failure ? 127 : 126);
}

int closeRange(unsigned int first, unsigned int last) noexcept {
    return first > last ? 0 : static_cast<int>(::syscall(SYS_close_range, first, last, 0U));
}

}  // namespace

ChildSetup::ChildSetup(const ChildProcess::Command &command, int nullDevice)
    : newSession_(command.newSession),
      newGroup_(command.newGroup),
      parentDeathSignal_(command.parentDeathSignal),
      parent_(::getpid()),
      parkingStart_(FIRST_ORDINARY_DESCRIPTOR),
      paths_(candidates(command.program)) {
    mapped_.push_back({nullDevice, STDIN_FILENO, -1});
    for (const auto &[source, target] : command.descriptors) {
        mapped_.push_back({source, target, -1});
        parkingStart_ = std::max(parkingStart_, target + 1);
        if (target >= FIRST_ORDINARY_DESCRIPTOR) {
            kept_.push_back(target);
        }
    }
    std::sort(kept_.begin(), kept_.end());
    kept_.erase(std::unique(kept_.begin(), kept_.end()), kept_.end());

    // This program once more, whatever its file is now: ps shows its name.
    arguments_.push_back(command.program == "/proc/self/exe" ? program_invocation_name : command.program.c_str());
    for (const auto &argument : command.arguments) {
        arguments_.push_back(argument.c_str());
    }
    arguments_.push_back(nullptr);

    if (command.environment) {
        for (const auto &variable : *command.environment) {
            environment_.push_back(variable.c_str());
        }
    } else {
        for (char **variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
            environment_.push_back(*variable);
        }
    }
    environment_.push_back(nullptr);
}

void ChildSetup::run(int statusPipe) const noexcept {
    // This step is first: it moves the status pipe to a number that no mapping overwrites.
    mapDescriptors(statusPipe);
    closeOthers(statusPipe);
    if (newSession_ && ::setsid() < 0) {
        fail(statusPipe, Step::SESSION, errno);
    }
    if (newGroup_ && ::setpgid(0, 0) != 0) {
        fail(statusPipe, Step::GROUP, errno);
    }
    requestDeathSignal(statusPipe);
    if (!resetSignals()) {
        fail(statusPipe, Step::SIGNALS, errno);
    }
    execute(statusPipe);
    ::_exit(127);
}

void ChildSetup::requestDeathSignal(int statusPipe) const noexcept {
    if (parentDeathSignal_ == 0) {
        return;
    }
    if (::prctl(PR_SET_PDEATHSIG, parentDeathSignal_) != 0) {
        fail(statusPipe, Step::PARENT_DEATH_SIGNAL, errno);
    }
    // The parent may have ended before prctl().
    if (::getppid() != parent_) {
        ::_exit(127);
    }
}

/** Also moves the status pipe to a number above all targets. */
void ChildSetup::mapDescriptors(int &statusPipe) const noexcept {
    const int parkedPipe = ::fcntl(statusPipe, F_DUPFD_CLOEXEC, parkingStart_);
    if (parkedPipe < 0) {
        fail(statusPipe, Step::DESCRIPTORS, errno);
    }
    statusPipe = parkedPipe;
    for (const auto &entry : mapped_) {
        entry.parked = ::fcntl(entry.source, F_DUPFD_CLOEXEC, parkingStart_);
        if (entry.parked < 0) {
            fail(statusPipe, Step::DESCRIPTORS, errno);
        }
    }
    for (const auto &entry : mapped_) {
        if (::dup2(entry.parked, entry.target) < 0) {
            fail(statusPipe, Step::DESCRIPTORS, errno);
        }
    }
}

/** The exec closes the status pipe. */
void ChildSetup::closeOthers(int statusPipe) const noexcept {
    unsigned int first = FIRST_ORDINARY_DESCRIPTOR;
    for (const int target : kept_) {
        if (closeRange(first, static_cast<unsigned int>(target) - 1) != 0) {
            fail(statusPipe, Step::CLOSE_OTHERS, errno);
        }
        first = static_cast<unsigned int>(target) + 1;
    }
    const auto pipe = static_cast<unsigned int>(statusPipe);
    if (closeRange(first, pipe - 1) != 0 || closeRange(pipe + 1, UINT_MAX) != 0) {
        fail(statusPipe, Step::CLOSE_OTHERS, errno);
    }
}

void ChildSetup::execute(int statusPipe) const noexcept {
    int error = ENOENT;
    for (const auto &path : paths_) {
        ::execve(path.c_str(), const_cast<char *const *>(arguments_.data()),
                 const_cast<char *const *>(environment_.data()));
        // A shell decides likewise: "forbidden" for one path explains the failure better than "not
        // there" for others.
        if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) {
            error = errno;
            break;
        }
        if (errno == EACCES || error == ENOENT) {
            error = errno;
        }
    }
    fail(statusPipe, Step::EXECUTE, error);
}

std::string ChildSetup::describe(Step step) {
    switch (step) {
        case Step::SESSION: return "setsid";
        case Step::GROUP: return "setpgid";
        case Step::SIGNALS: return "sigprocmask";
        case Step::DESCRIPTORS: return "dup2";
        case Step::CLOSE_OTHERS: return "close_range";
        case Step::PARENT_DEATH_SIGNAL: return "prctl(PR_SET_PDEATHSIG)";
        case Step::EXECUTE: return "exec";
    }
    return "start";
}

}  // namespace Passenger
