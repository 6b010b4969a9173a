#include "base/CpuTime.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <ctime>
#include <vector>

#include "base/ProcessStat.h"
#include "base/ProcessTree.h"

namespace Passenger {

namespace {

/** Nobody is to be kept waiting by the many processes and threads of an application. */
constexpr std::size_t LARGEST_FAMILY = 101;
constexpr std::size_t MOST_THREADS = 1000;

}  // namespace

std::chrono::nanoseconds cpuTimeOfTicks(std::uint64_t ticks) {
    // Linux has 100 to 1,024 ticks a second. The product of ticks and a billion would wrap at six
    // years of processor time.
    const auto perSecond = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    return std::chrono::seconds(ticks / perSecond) +
           std::chrono::nanoseconds(ticks % perSecond * 1'000'000'000 / perSecond);
}

std::chrono::nanoseconds ageOf(pid_t pid) {
    const auto stat = ProcessStat::of(pid);
    timespec now{};
    if (!stat || ::clock_gettime(CLOCK_BOOTTIME, &now) != 0) {
        return std::chrono::nanoseconds(0);
    }
    const auto sinceBoot = std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
    return std::max<std::chrono::nanoseconds>(sinceBoot - cpuTimeOfTicks(stat->startTime), std::chrono::nanoseconds(0));
}

std::optional<std::chrono::nanoseconds> cpuTimeOf(pid_t pid) {
    const auto stat = ProcessStat::of(pid);
    return stat ? std::optional(cpuTimeOfTicks(stat->userTime + stat->systemTime)) : std::nullopt;
}

std::optional<std::chrono::nanoseconds> cpuTimeOfFamily(pid_t pid) {
    std::vector<pid_t> family{pid};
    std::size_t threads = 0;
    std::uint64_t ticks = 0;
    for (std::size_t next = 0; next < family.size(); next++) {
        const auto stat = ProcessStat::of(family[next]);
        const auto listed = listedChildrenOf(family[next], MOST_THREADS - threads);
        if (!listed || family.size() + listed->children.size() > LARGEST_FAMILY || (next == 0 && !stat)) {
            return std::nullopt;
        }
        threads += listed->threads;
        family.insert(family.end(), listed->children.begin(), listed->children.end());
        // A descendant that has ended meanwhile counts for its parent next time.
        if (stat) {
            ticks += stat->userTime + stat->systemTime + stat->userTimeOfEnded + stat->systemTimeOfEnded;
        }
    }
    return cpuTimeOfTicks(ticks);
}

}  // namespace Passenger
