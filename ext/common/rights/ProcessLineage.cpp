#include "rights/ProcessLineage.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>

#include <fmt/format.h>

#include "base/PidFd.h"

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
    std::ifstream file(fmt::format("/proc/{}/status", pid));
    Status status;
    int found = 0;
    for (std::string line; found < 2 && std::getline(file, line);) {
        std::istringstream words(line);
        std::string label;
        words >> label;
        if (label == "PPid:") {
            words >> status.parent;
            ++found;
        } else if (label == "Uid:") {
            words >> status.realUid >> status.effectiveUid >> status.savedUid;
            ++found;
        }
    }
    return found == 2 ? std::optional(status) : std::nullopt;
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
        const auto next = statusOf(ancestor);
        ancestor = next ? next->parent : 0;
    }
    return fmt::format("process {} is none of the agent's", pid);
}

}  // namespace

pid_t pidOf(const FileDescriptor &pidFd) {
    std::ifstream file(fmt::format("/proc/self/fdinfo/{}", pidFd.get()));
    for (std::string label; file >> label;) {
        if (label == "Pid:") {
            pid_t pid = 0;
            file >> pid;
            return pid;
        }
    }
    return 0;
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
