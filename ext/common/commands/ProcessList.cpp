#include "commands/ProcessList.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/FileContent.h"
#include "base/ProcessStat.h"
#include "base/ProcessTree.h"
#include "base/Split.h"

namespace Passenger {

namespace {

constexpr std::size_t MOST_OF_A_COMMAND = 64 * 1024;

std::string lastPart(const std::string &path) {
    return path.substr(path.rfind('/') + 1);
}

std::optional<ListedProcess> readProcess(pid_t pid) {
    const std::string folder = fmt::format("/proc/{}", pid);
    const auto stat = ProcessStat::of(pid);
    if (!stat || stat->state == 'Z' || stat->virtualSize == 0) {
        return std::nullopt;
    }
    ListedProcess process;
    process.pid = pid;
    process.parent = stat->parent;
    process.virtualSize = stat->virtualSize;
    process.command = fileContent(folder + "/cmdline", MOST_OF_A_COMMAND);
    while (!process.command.empty() && process.command.back() == '\0') {
        process.command.pop_back();
    }
    std::replace(process.command.begin(), process.command.end(), '\0', ' ');
    if (process.command.empty()) {
        process.command = fmt::format("[{}]", stat->name);
    }
    std::array<char, 4096> link;
    const ssize_t size = ::readlink((folder + "/exe").c_str(), link.data(), link.size());
    process.program = size > 0 ? lastPart({link.data(), static_cast<std::size_t>(size)})
                               : lastPart(split(process.command, ' ').front());
    return process;
}

void addFamily(pid_t root, const std::vector<ListedProcess> &all, std::vector<ListedProcess> &family) {
    const auto isRoot = [root](const ListedProcess &process) { return process.pid == root; };
    if (std::any_of(family.begin(), family.end(), isRoot)) {
        return;
    }
    std::copy_if(all.begin(), all.end(), std::back_inserter(family), isRoot);
    for (const ListedProcess &process : all) {
        if (process.parent == root) {
            addFamily(process.pid, all, family);
        }
    }
}

}  // namespace

std::vector<ListedProcess> listProcesses() {
    std::vector<ListedProcess> processes;
    for (const pid_t pid : allPids()) {
        if (auto process = readProcess(pid)) {
            processes.push_back(std::move(*process));
        }
    }
    std::sort(processes.begin(), processes.end(),
              [](const ListedProcess &a, const ListedProcess &b) { return a.pid < b.pid; });
    return processes;
}

std::vector<ListedProcess> familyOf(const std::vector<pid_t> &roots, const std::vector<ListedProcess> &all) {
    std::vector<ListedProcess> family;
    for (const pid_t root : roots) {
        addFamily(root, all, family);
    }
    return family;
}

}  // namespace Passenger
