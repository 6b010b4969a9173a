#include "spawning/SpawnedProcess.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <optional>
#include <sstream>
#include <string>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "base/Split.h"
#include "log/Log.h"
#include "rights/Rights.h"

namespace Passenger {

namespace {

using namespace std::chrono_literals;

/** The kernel ends a process within this time, unless the process waits in a device driver. */
constexpr auto KILL_LIMIT = 2000ms;

struct ProcessStatus {
    pid_t parent = 0;
    uid_t realUid = 0;
    uid_t effectiveUid = 0;
};

/** @return nothing if the process has ended. @throws IOException: it is none of the agent's */
std::optional<ProcessStatus> readStatus(pid_t pid) {
    const std::string text = Rights::ofThisProcess().procFilesOf(pid).status;
    if (text.empty()) {
        return std::nullopt;
    }
    ProcessStatus status;
    std::istringstream numbers(afterLabel(text, "PPid:") + afterLabel(text, "Uid:"));
    if (!(numbers >> status.parent >> status.realUid >> status.effectiveUid)) {
        throw ProtocolException(fmt::format("/proc/{}/status has an unknown form", pid));
    }
    return status;
}

/** A zombie counts as ended. */
bool isGone(pid_t pid) {
    try {
        return waitPidFd(openPidFd(pid), 0ms);
    } catch (const SystemException &e) {
        if (e.error() == ESRCH) {
            return true;
        }
        throw;
    }
}

bool isAsExpected(const ProcessStatus &status, const SpawnedProcess::Expected &expected) {
    if (status.realUid != expected.uid || status.effectiveUid != expected.uid) {
        return false;
    }
    // If the expected parent has ended, the process has another parent.
    return expected.parent == SpawnedProcess::ANY_PARENT || status.parent == expected.parent || isGone(expected.parent);
}

}  // namespace

SpawnedProcess::SpawnedProcess(pid_t pid, const Expected &expected) : pid_(pid), uid_(expected.uid) {
    if (pid <= 1 || pid == ::getpid()) {
        throw ProtocolException(fmt::format("{} cannot be the pid of a new process", pid));
    }
    FileDescriptor pidFd;
    try {
        pidFd = openPidFd(pid);
    } catch (const SystemException &e) {
        if (e.error() == ESRCH) {
            return;
        }
        throw;
    }
    const auto status = readStatus(pid);
    // The pidfd's process has not ended, so the pid belonged to it when its status was read.
    if (!status || waitPidFd(pidFd, 0ms)) {
        return;
    }
    if (!isAsExpected(*status, expected)) {
        throw ProtocolException(fmt::format(
            "process {} is not the process that was started: it has parent {} and user id {}, instead of {} and {}",
            pid, status->parent, status->effectiveUid, expected.parent, expected.uid));
    }
    pidFd_ = std::move(pidFd);
}

SpawnedProcess::SpawnedProcess(SpawnedProcess &&other) noexcept
    : pid_(std::exchange(other.pid_, 0)), uid_(other.uid_), pidFd_(std::move(other.pidFd_)) {}

SpawnedProcess &SpawnedProcess::operator=(SpawnedProcess &&other) noexcept {
    if (this != &other) {
        kill();
        pid_ = std::exchange(other.pid_, 0);
        uid_ = other.uid_;
        pidFd_ = std::move(other.pidFd_);
    }
    return *this;
}

SpawnedProcess::~SpawnedProcess() {
    kill();
}

void SpawnedProcess::confirm(const PeerCredentials &sender) const {
    if (sender.pid != pid_) {
        throw ProtocolException(fmt::format(
            "process {} answers instead of process {}; a wrapper around Ruby must end with exec", sender.pid, pid_));
    }
    if (sender.uid != uid_) {
        throw ProtocolException(fmt::format("process {} runs with user id {} instead of {}", pid_, sender.uid, uid_));
    }
}

bool SpawnedProcess::ended(std::chrono::milliseconds timeout) const {
    return !pidFd_ || waitPidFd(pidFd_, timeout);
}

void SpawnedProcess::kill() noexcept {
    if (!pidFd_) {
        return;
    }
    try {
        if (Rights::ofThisProcess().signal(pidFd_, SIGKILL) && !waitPidFd(pidFd_, KILL_LIMIT)) {
            Log::warn("event=process.unkillable pid={}", pid_);
        }
    } catch (const std::exception &e) {
        Log::warn("event=process.kill_failed pid={} error=\"{}\"", pid_, e.what());
    }
    static_cast<void>(release());
}

FileDescriptor SpawnedProcess::release() noexcept {
    pid_ = 0;
    return std::move(pidFd_);
}

}  // namespace Passenger
