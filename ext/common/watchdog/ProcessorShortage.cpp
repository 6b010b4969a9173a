#include "watchdog/ProcessorShortage.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/CpuTime.h"
#include "base/ProcessStat.h"
#include "base/ProcessTree.h"

namespace Passenger {

ProcessorShortage::Times ProcessorShortage::ready(pid_t process) const {
    Times result;
    const std::string folder = fmt::format("{}/{}/task", proc_, process);
    for (const pid_t thread : pidsIn(folder)) {
        const auto stat = ProcessStat::in(fmt::format("{}/{}", folder, thread));
        if (stat && stat->state == 'R') {
            result.emplace(thread, cpuTimeOfTicks(stat->userTime + stat->systemTime));
        }
    }
    return result;
}

void ProcessorShortage::look(pid_t process, MonotonicTime now) {
    before_ = ready(process);
    since_ = now;
}

bool ProcessorShortage::lasts(pid_t process, MonotonicTime now) const {
    const Times threads = ready(process);
    return std::any_of(threads.begin(), threads.end(), [&](const auto &thread) {
        const auto before = before_.find(thread.first);
        // Another thread may have its number by now.
        return before != before_.end() && thread.second >= before->second &&
               (thread.second - before->second) * 2 < now - since_;
    });
}

}  // namespace Passenger
