#include "agent/InstanceFacts.h"

#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/ProcessTree.h"

namespace Passenger {

namespace {

/** A figure that is younger is not measured again. */
constexpr std::chrono::seconds FRESH{5};

/** Fields 14 and 15 of /proc/PID/stat: utime and stime in clock ticks (proc(5)). */
std::chrono::nanoseconds cpuTimeOf(pid_t pid) {
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    // Behind the name, which is in parentheses and may contain blanks.
    const std::size_t name = text.rfind(')');
    if (name == std::string::npos) {
        return std::chrono::nanoseconds(0);
    }
    std::istringstream fields(text.substr(name + 1));
    std::string field;
    for (int number = 3; number < 14; number++) {
        fields >> field;
    }
    std::uint64_t user = 0;
    std::uint64_t system = 0;
    fields >> user >> system;
    return std::chrono::nanoseconds((user + system) * 1'000'000'000 /
                                    static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)));
}

}  // namespace

void InstanceFacts::begin(std::chrono::milliseconds budget) {
    deadline_ = std::chrono::steady_clock::now() + budget;
}

InstanceFacts::Facts InstanceFacts::of(pid_t pid, bool family) {
    Entry &entry = entries_[pid];
    entry.asked = true;
    const auto now = std::chrono::steady_clock::now();
    if (now < deadline_ && now - entry.measured >= FRESH) {
        entry.measured = now;
        entry.facts.memory = measure_(pid, family).value_or(0);
        entry.facts.cpuTime = cpuTimeOf(pid);
        if (family) {
            for (const pid_t descendant : descendantsOf(pid)) {
                entry.facts.cpuTime += cpuTimeOf(descendant);
            }
        }
    }
    return entry.facts;
}

void InstanceFacts::forgetOld() {
    for (auto next = entries_.begin(); next != entries_.end();) {
        const auto entry = next++;
        if (!std::exchange(entry->second.asked, false)) {
            entries_.erase(entry);
        }
    }
}

}  // namespace Passenger
