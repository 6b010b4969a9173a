#include "rights/ProcessLineage.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <sstream>

#include <fmt/format.h>

#include "base/FileContent.h"
#include "base/ProcessTree.h"
#include "base/Split.h"

namespace Passenger::ProcessLineage {

namespace {

/** More generations than any application has. */
constexpr int MOST_ANCESTORS = 1000;

struct Status {
    pid_t parent = 0;
    uid_t realUid = 0;
    uid_t effectiveUid = 0;
    uid_t savedUid = 0;
};

std::optional<Status> statusOf(pid_t pid) {
    const std::string text = fileContent(fmt::format("/proc/{}/status", pid));
    Status status;
    std::istringstream numbers(afterLabel(text, "PPid:") + afterLabel(text, "Uid:"));
    numbers >> status.parent >> status.realUid >> status.effectiveUid >> status.savedUid;
    return numbers ? std::optional(status) : std::nullopt;
}

std::string refusalOf(pid_t pid, pid_t agent, bool (*isRoots)(const Status &)) {
    const auto status = statusOf(pid);
    if (!status) {
        return fmt::format("process {} does not exist", pid);
    }
    if (isRoots(*status)) {
        return fmt::format("process {} runs as root", pid);
    }
    pid_t ancestor = status->parent;
    for (int i = 0; i < MOST_ANCESTORS && ancestor > 1; ++i) {
        if (ancestor == agent) {
            return "";
        }
        ancestor = parentOf(ancestor);
    }
    return fmt::format("process {} is none of the agent's", pid);
}

}  // namespace

pid_t pidOf(const FileDescriptor &pidFd) {
    const std::string info = fileContent(fmt::format("/proc/self/fdinfo/{}", pidFd.get()));
    return static_cast<pid_t>(std::strtol(afterLabel(info, "Pid:").c_str(), nullptr, 10));
}

std::optional<uid_t> userOf(pid_t pid) {
    const auto status = statusOf(pid);
    return status ? std::optional(status->realUid) : std::nullopt;
}

std::string refusal(pid_t pid, pid_t agent) {
    return refusalOf(pid, agent, [](const Status &status) {
        return std::min({status.realUid, status.effectiveUid, status.savedUid}) == 0;
    });
}

std::string signalRefusal(pid_t pid, pid_t agent) {
    return refusalOf(pid, agent, [](const Status &status) { return status.realUid == 0; });
}

}  // namespace Passenger::ProcessLineage
