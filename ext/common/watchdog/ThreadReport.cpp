#include "watchdog/ThreadReport.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

#include <fmt/format.h>

#include "base/FileContent.h"
#include "base/Lists.h"
#include "base/ProcessStat.h"

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

std::vector<std::filesystem::path> threadFoldersIn(const std::filesystem::path &folder) {
    std::vector<std::filesystem::path> threads;
    std::error_code error;
    for (std::filesystem::directory_iterator next(folder / "task", error), end; !error && next != end;
         next.increment(error)) {
        threads.push_back(next->path());
    }
    return threads;
}

std::vector<std::string> describeThreads(pid_t process) {
    auto lines = listOf(threadFoldersIn(fmt::format("/proc/{}", process)), [](const std::filesystem::path &task) {
        return fmt::format("thread={} name=\"{}\" state={} wchan={} stack=\"{}\"", task.filename().string(),
                           firstLine(task / "comm"), stateOf(task), firstLine(task / "wchan"), stackOf(task));
    });
    std::sort(lines.begin(), lines.end());
    return lines;
}

}  // namespace Passenger
