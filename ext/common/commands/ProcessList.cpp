#include "commands/ProcessList.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/FileContent.h"
#include "base/ProcessTree.h"
#include "base/Split.h"

namespace Passenger {

namespace {

std::string lastPart(const std::string &path) {
    return path.substr(path.rfind('/') + 1);
}

std::optional<ListedProcess> readProcess(pid_t pid) {
    const std::string folder = fmt::format("/proc/{}", pid);
    const std::string stat = fileContent(folder + "/stat");
    // The name is in parentheses and may have any character.
    const auto begin = stat.find('(');
    const auto end = stat.rfind(')');
    if (begin == std::string::npos || end == std::string::npos) {
        return std::nullopt;
    }
    constexpr std::size_t PARENT = 1;
    constexpr std::size_t VIRTUAL_SIZE = 20;
    const auto fields = split(std::string_view(stat).substr(std::min(end + 2, stat.size())), ' ');
    if (fields.size() <= VIRTUAL_SIZE || fields.front() == "Z" || fields[VIRTUAL_SIZE] == "0") {
        return std::nullopt;
    }
    ListedProcess process;
    process.pid = pid;
    process.parent = static_cast<pid_t>(std::stol(fields[PARENT]));
    process.virtualSize = std::stoull(fields[VIRTUAL_SIZE]);
    process.command = fileContent(folder + "/cmdline");
    while (!process.command.empty() && process.command.back() == '\0') {
        process.command.pop_back();
    }
    std::replace(process.command.begin(), process.command.end(), '\0', ' ');
    if (process.command.empty()) {
        process.command = fmt::format("[{}]", stat.substr(begin + 1, end - begin - 1));
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
