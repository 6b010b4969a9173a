#include "watchdog/ThreadReport.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "base/FileContent.h"
#include "base/Lists.h"
#include "base/ProcessStat.h"
#include "base/ProcessTree.h"

namespace Passenger {

namespace {

std::string firstLine(const std::filesystem::path &file) {
    const std::string content = fileContent(file);
    return content.substr(0, content.find('\n'));
}

char stateOf(const std::filesystem::path &task) {
    const auto stat = ProcessStat::in(task.string());
    return stat ? stat->state : '?';
}

/** "a < b < c" from lines as "[<0>] a+0x1/0x2". */
std::string stackOf(const std::filesystem::path &task) {
    std::ifstream stream(task / "stack");
    std::string stack;
    for (std::string line; std::getline(stream, line);) {
        const std::size_t name = line.find("] ");
        if (name != std::string::npos) {
            stack += (stack.empty() ? "" : " < ") + line.substr(name + 2, line.find('+') - name - 2);
        }
    }
    return stack;
}

}  // namespace

std::vector<std::string> describeThreads(pid_t process) {
    const std::string folder = fmt::format("/proc/{}/task", process);
    auto lines = listOf(pidsIn(folder), [&folder](pid_t thread) {
        const auto task = std::filesystem::path(folder) / std::to_string(thread);
        return fmt::format("thread={} name=\"{}\" state={} wchan={} stack=\"{}\"", thread, firstLine(task / "comm"),
                           stateOf(task), firstLine(task / "wchan"), stackOf(task));
    });
    std::sort(lines.begin(), lines.end());
    return lines;
}

}  // namespace Passenger
