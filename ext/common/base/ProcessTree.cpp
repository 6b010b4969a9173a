#include "base/ProcessTree.h"

#include <dirent.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/Poll.h"
#include "base/WholeNumber.h"

namespace Passenger {

namespace {

/** The time between two checks for remaining processes. Killed processes need some time to end. */
constexpr int PAUSE_MILLISECONDS = 5;

/** Pairs: (process, its parent). */
std::vector<std::pair<pid_t, pid_t>> allProcesses() {
    std::vector<std::pair<pid_t, pid_t>> all;
    for (const pid_t pid : allPids()) {
        all.emplace_back(pid, parentOf(pid));
    }
    return all;
}

std::vector<pid_t> childrenIn(const std::vector<std::pair<pid_t, pid_t>> &all, pid_t parent) {
    std::vector<pid_t> children;
    for (const auto &[pid, itsParent] : all) {
        if (itsParent == parent) {
            children.push_back(pid);
        }
    }
    return children;
}

/** @return false if this process has no children */
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

std::string nameOf(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
    std::string name;
    std::getline(file, name);
    return name;
}

bool isShell(pid_t pid) {
    const std::string name = nameOf(pid);
    return name == "sh" || name == "bash" || name == "dash";
}

}  // namespace

pid_t parentOf(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    std::getline(file, line);
    // The format is "PID (NAME) STATE PARENT …". NAME may contain any character.
    const auto nameEnd = line.rfind(") ");
    constexpr std::size_t TO_PARENT = 4;
    if (nameEnd == std::string::npos || nameEnd + TO_PARENT >= line.size()) {
        return 0;
    }
    pid_t parent = 0;
    std::from_chars(line.data() + nameEnd + TO_PARENT, line.data() + line.size(), parent);
    return parent;
}

std::vector<pid_t> allPids() {
    std::vector<pid_t> pids;
    const auto close = [](DIR *folder) { ::closedir(folder); };
    const std::unique_ptr<DIR, decltype(close)> processes(::opendir("/proc"), close);
    if (processes == nullptr) {
        return pids;
    }
    while (const dirent *entry = ::readdir(processes.get())) {
        if (const auto pid = wholeNumber<pid_t>(entry->d_name)) {
            pids.push_back(*pid);
        }
    }
    return pids;
}

std::vector<pid_t> childrenOf(pid_t parent) {
    return childrenIn(allProcesses(), parent);
}

std::vector<pid_t> descendantsOf(pid_t ancestor) {
    const auto all = allProcesses();
    std::vector<pid_t> found;
    for (std::size_t done = 0; done <= found.size(); done++) {
        const pid_t parent = done == 0 ? ancestor : found[done - 1];
        for (const auto &[pid, itsParent] : all) {
            // The kernel may have reused pids during the reading.
            if (itsParent == parent && std::find(found.begin(), found.end(), pid) == found.end()) {
                found.push_back(pid);
            }
        }
    }
    return found;
}

pid_t applicationOf(pid_t bridge) {
    const auto all = allProcesses();
    const std::vector<pid_t> keepers = childrenIn(all, bridge);
    // A Node instance is the application itself, and its children are none of ours.
    const bool isBridge = !keepers.empty() && nameOf(keepers.front()) == "passenger-keep";
    std::vector<pid_t> found = isBridge ? childrenIn(all, keepers.front()) : std::vector<pid_t>();
    pid_t application = found.empty() ? 0 : found.front();
    while (application != 0 && isShell(application)) {
        found = childrenIn(all, application);
        if (found.size() != 1) {
            break;
        }
        application = found.front();
    }
    return application;
}

bool killDescendants(std::chrono::milliseconds timeout) {
    const auto deadline = deadlineIn(timeout);
    while (reapChildren()) {
        if (std::chrono::steady_clock::now() >= deadline) {
            return false;
        }
        // Only this function reaps children, and only in its next round. So each pid still belongs
        // to the child that was listed.
        for (const pid_t child : childrenOf(::getpid())) {
            ::kill(child, SIGKILL);
        }
        ::poll(nullptr, 0, PAUSE_MILLISECONDS);
    }
    return true;
}

}  // namespace Passenger
