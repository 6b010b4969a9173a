#include "base/ProcessTree.h"

#include <dirent.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <memory>
#include <sstream>
#include <utility>

#include "base/FileContent.h"
#include "base/Lists.h"
#include "base/Poll.h"
#include "base/ProcessStat.h"
#include "base/WholeNumber.h"

namespace Passenger {

namespace {

/** The time between two checks for remaining processes. Killed processes need some time to end. */
constexpr int PAUSE_MILLISECONDS = 5;

/** The kernel's lists are for few threads: with many, reading all processes is faster. */
constexpr std::size_t MOST_THREADS = 500;

/** Pairs: (process, its parent). */
std::vector<std::pair<pid_t, pid_t>> allProcesses() {
    return listOf(allPids(), [](pid_t pid) { return std::pair(pid, parentOf(pid)); });
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

/** The kernel may have reused pids during the reading. */
void addNew(std::vector<pid_t> &found, const std::vector<pid_t> &pids) {
    for (const pid_t pid : pids) {
        if (std::find(found.begin(), found.end(), pid) == found.end()) {
            found.push_back(pid);
        }
    }
}

/** @return nothing: the kernel's lists do not do */
std::optional<std::vector<pid_t>> listedDescendantsOf(pid_t ancestor) {
    std::vector<pid_t> found;
    std::size_t threads = 0;
    for (std::size_t done = 0; done <= found.size(); done++) {
        const auto listed = listedChildrenOf(done == 0 ? ancestor : found[done - 1], MOST_THREADS - threads);
        if (!listed) {
            return std::nullopt;
        }
        threads += listed->threads;
        addNew(found, listed->children);
    }
    return found;
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
    const auto stat = ProcessStat::of(pid);
    return stat ? stat->parent : 0;
}

std::vector<pid_t> pidsIn(const std::string &folder) {
    std::vector<pid_t> pids;
    const auto close = [](DIR *open) { ::closedir(open); };
    const std::unique_ptr<DIR, decltype(close)> listing(::opendir(folder.c_str()), close);
    while (const dirent *entry = listing != nullptr ? ::readdir(listing.get()) : nullptr) {
        if (const auto pid = wholeNumber<pid_t>(entry->d_name)) {
            pids.push_back(*pid);
        }
    }
    return pids;
}

std::vector<pid_t> allPids() {
    return pidsIn("/proc");
}

std::optional<ListedChildren> listedChildrenOf(pid_t parent, std::size_t mostThreads) {
    // proc_pid_task(5); CONFIG_PROC_CHILDREN.
    static const bool listed = ::access("/proc/thread-self/children", R_OK) == 0;
    if (!listed) {
        return std::nullopt;
    }
    ListedChildren all;
    const std::string folder = "/proc/" + std::to_string(parent) + "/task/";
    const auto close = [](DIR *open) { ::closedir(open); };
    const std::unique_ptr<DIR, decltype(close)> threads(::opendir(folder.c_str()), close);
    while (const dirent *thread = threads != nullptr ? ::readdir(threads.get()) : nullptr) {
        if (thread->d_name[0] == '.') {
            continue;
        }
        if (++all.threads > mostThreads) {
            return std::nullopt;
        }
        std::istringstream children(fileContent(folder + thread->d_name + "/children"));
        for (pid_t child = 0; children >> child;) {
            all.children.push_back(child);
        }
    }
    return all;
}

std::vector<pid_t> childrenOf(pid_t parent) {
    auto listed = listedChildrenOf(parent, MOST_THREADS);
    return listed ? std::move(listed->children) : childrenIn(allProcesses(), parent);
}

std::vector<pid_t> descendantsOf(pid_t ancestor) {
    if (auto listed = listedDescendantsOf(ancestor)) {
        return std::move(*listed);
    }
    const auto all = allProcesses();
    std::vector<pid_t> found;
    for (std::size_t done = 0; done <= found.size(); done++) {
        addNew(found, childrenIn(all, done == 0 ? ancestor : found[done - 1]));
    }
    return found;
}

pid_t applicationOf(pid_t bridge) {
    const std::vector<pid_t> keepers = childrenOf(bridge);
    // A Node instance is the application itself, and its children are none of ours.
    const bool isBridge = !keepers.empty() && nameOf(keepers.front()) == "passenger-keep";
    std::vector<pid_t> found = isBridge ? childrenOf(keepers.front()) : std::vector<pid_t>();
    pid_t application = found.empty() ? 0 : found.front();
    while (application != 0 && isShell(application)) {
        found = childrenOf(application);
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
