#include "base/ProcessTree.h"

#include <dirent.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/Poll.h"

namespace Passenger {

namespace {

/** Between two looks at what is left: the killed need a moment to end. */
constexpr int PAUSE_MILLISECONDS = 5;

std::optional<pid_t> asPid(const char *name) {
    const char *const end = name + std::strlen(name);
    pid_t pid = 0;
    const auto [stopped, error] = std::from_chars(name, end, pid);
    if (error != std::errc() || stopped != end) {
        return std::nullopt;
    }
    return pid;
}

/** 0 when there is no such process any more. */
pid_t parentOf(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    std::getline(file, line);
    // "PID (NAME) STATE PARENT …", where the name may hold anything.
    const auto nameEnd = line.rfind(") ");
    constexpr std::size_t TO_PARENT = 4;
    if (nameEnd == std::string::npos || nameEnd + TO_PARENT >= line.size()) {
        return 0;
    }
    pid_t parent = 0;
    std::from_chars(line.data() + nameEnd + TO_PARENT, line.data() + line.size(), parent);
    return parent;
}

/** Each with its parent. */
std::vector<std::pair<pid_t, pid_t>> allProcesses() {
    std::vector<std::pair<pid_t, pid_t>> all;
    const auto close = [](DIR *folder) { ::closedir(folder); };
    const std::unique_ptr<DIR, decltype(close)> processes(::opendir("/proc"), close);
    if (processes == nullptr) {
        return all;
    }
    while (const dirent *entry = ::readdir(processes.get())) {
        if (const auto pid = asPid(entry->d_name)) {
            all.emplace_back(*pid, parentOf(*pid));
        }
    }
    return all;
}

/** False when there is no child at all any more. */
bool reapChildren() {
    for (;;) {
        const pid_t reaped = ::waitpid(-1, nullptr, WNOHANG);
        if (reaped == 0) {
            return true;
        }
        if (reaped < 0 && errno != EINTR) {
            return false;
        }
    }
}

}  // namespace

std::vector<pid_t> childrenOf(pid_t parent) {
    std::vector<pid_t> children;
    for (const auto &[pid, itsParent] : allProcesses()) {
        if (itsParent == parent) {
            children.push_back(pid);
        }
    }
    return children;
}

std::vector<pid_t> descendantsOf(pid_t ancestor) {
    const auto all = allProcesses();
    std::vector<pid_t> found;
    for (std::size_t done = 0; done <= found.size(); done++) {
        const pid_t parent = done == 0 ? ancestor : found[done - 1];
        for (const auto &[pid, itsParent] : all) {
            // Pids may have changed hands while they were read.
            if (itsParent == parent && std::find(found.begin(), found.end(), pid) == found.end()) {
                found.push_back(pid);
            }
        }
    }
    return found;
}

bool killDescendants(std::chrono::milliseconds timeout) {
    const auto deadline = deadlineIn(timeout);
    while (reapChildren()) {
        if (std::chrono::steady_clock::now() >= deadline) {
            return false;
        }
        // Nobody but us reaps our children, and not before the next round: each pid is still the process we saw.
        for (const pid_t child : childrenOf(::getpid())) {
            ::kill(child, SIGKILL);
        }
        ::poll(nullptr, 0, PAUSE_MILLISECONDS);
    }
    return true;
}

}  // namespace Passenger
