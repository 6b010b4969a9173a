#include "base/CpuTime.h"

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/FileContent.h"
#include "base/ProcessTree.h"

namespace Passenger {

namespace {

/** Nobody is to be kept waiting by the many processes and threads of an application. */
constexpr std::size_t LARGEST_FAMILY = 101;
constexpr std::size_t MOST_THREADS = 1000;

struct Times {
    std::chrono::nanoseconds own{0};
    /** Of children that have ended and were waited for, and of theirs. */
    std::chrono::nanoseconds ended{0};
};

/** Fields 14 to 17 of /proc/PID/stat: utime, stime, cutime, cstime in clock ticks (proc(5)). */
std::optional<Times> timesOf(pid_t pid) {
    const std::string text = fileContent(fmt::format("/proc/{}/stat", pid));
    // Behind the name, which is in parentheses and may contain blanks.
    const std::size_t name = text.rfind(')');
    if (name == std::string::npos) {
        return std::nullopt;
    }
    std::istringstream fields(text.substr(name + 1));
    std::string field;
    for (int number = 3; number < 14; number++) {
        fields >> field;
    }
    std::uint64_t user = 0;
    std::uint64_t system = 0;
    std::uint64_t usersOfEnded = 0;
    std::uint64_t systemsOfEnded = 0;
    if (!(fields >> user >> system >> usersOfEnded >> systemsOfEnded)) {
        return std::nullopt;
    }
    const auto ticks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    const auto time = [ticks](std::uint64_t sum) { return std::chrono::nanoseconds(sum * 1'000'000'000 / ticks); };
    return Times{time(user + system), time(usersOfEnded + systemsOfEnded)};
}

}  // namespace

std::optional<std::chrono::nanoseconds> cpuTimeOf(pid_t pid) {
    const std::optional<Times> times = timesOf(pid);
    return times ? std::optional(times->own) : std::nullopt;
}

std::optional<std::chrono::nanoseconds> cpuTimeOfFamily(pid_t pid) {
    std::vector<pid_t> family{pid};
    std::size_t threads = 0;
    std::chrono::nanoseconds sum(0);
    for (std::size_t next = 0; next < family.size(); next++) {
        const std::optional<Times> times = timesOf(family[next]);
        const auto listed = listedChildrenOf(family[next], MOST_THREADS - threads);
        if (!listed || family.size() + listed->children.size() > LARGEST_FAMILY || (next == 0 && !times)) {
            return std::nullopt;
        }
        threads += listed->threads;
        family.insert(family.end(), listed->children.begin(), listed->children.end());
        // A descendant that has ended meanwhile counts for its parent next time.
        sum += times ? times->own + times->ended : std::chrono::nanoseconds(0);
    }
    return sum;
}

}  // namespace Passenger
