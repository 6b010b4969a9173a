#include "watchdog/ProcessorShortage.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include "base/ProcessStat.h"

namespace Passenger {

namespace {

std::chrono::nanoseconds timeOf(const ProcessStat &thread) {
    const auto ticks = static_cast<std::chrono::seconds::rep>(thread.userTime + thread.systemTime);
    return std::chrono::nanoseconds(std::chrono::seconds(ticks)) / ::sysconf(_SC_CLK_TCK);
}

}  // namespace

std::map<pid_t, std::chrono::nanoseconds> ProcessorShortage::ready(pid_t process) const {
    std::map<pid_t, std::chrono::nanoseconds> result;
    std::error_code error;
    for (std::filesystem::directory_iterator next(fmt::format("{}/{}/task", proc_, process), error), end;
         !error && next != end; next.increment(error)) {
        const std::string name = next->path().filename().string();
        pid_t thread = 0;
        std::from_chars(name.data(), name.data() + name.size(), thread);
        const auto stat = ProcessStat::in(next->path().string());
        if (stat && stat->state == 'R') {
            result.emplace(thread, timeOf(*stat));
        }
    }
    return result;
}

void ProcessorShortage::look(pid_t process, MonotonicTime now) {
    before_ = ready(process);
    since_ = now;
}

bool ProcessorShortage::lasts(pid_t process, MonotonicTime now) const {
    const auto threads = ready(process);
    return std::any_of(threads.begin(), threads.end(), [&](const auto &thread) {
        const auto before = before_.find(thread.first);
        return before != before_.end() && (thread.second - before->second) * 2 < now - since_;
    });
}

}  // namespace Passenger
