#include "base/Processors.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/Split.h"
#include "base/WholeNumber.h"

namespace Passenger {

namespace {

/** Linux has no more. */
constexpr std::size_t MOST_SETS = 64;
/** user nice system idle iowait irq softirq steal */
constexpr std::size_t FIELDS = 8;

}  // namespace

std::vector<unsigned> processorsOf(pid_t pid) {
    // The kernel refuses a mask that is smaller than its own.
    std::vector<cpu_set_t> masks(1);
    const auto bytes = [&masks] { return masks.size() * sizeof(cpu_set_t); };
    int failed = 0;
    while ((failed = ::sched_getaffinity(pid, bytes(), masks.data())) != 0 && errno == EINVAL &&
           masks.size() < MOST_SETS) {
        masks.resize(masks.size() * 2);
    }
    std::vector<unsigned> processors;
    for (unsigned number = 0; failed == 0 && number < CPU_SETSIZE * masks.size(); number++) {
        if (CPU_ISSET_S(number, bytes(), masks.data())) {
            processors.push_back(number);
        }
    }
    return processors.empty() ? std::vector<unsigned>{0} : processors;
}

std::string timesOf(const std::vector<unsigned> &processors, const std::string &stat) {
    const std::vector<std::string> lines = split(stat, '\n');
    std::array<std::uint64_t, FIELDS> sums{};
    std::size_t listed = 0;
    for (const std::string &line : lines) {
        std::istringstream words(line);
        std::string name;
        words >> name;
        const auto number = name.starts_with("cpu") ? wholeNumber<unsigned>(name.substr(3)) : std::nullopt;
        if (!number) {
            continue;
        }
        listed++;
        if (std::binary_search(processors.begin(), processors.end(), *number)) {
            for (std::uint64_t &sum : sums) {
                std::uint64_t value = 0;
                words >> value;
                sum += value;
            }
        }
    }
    return listed > processors.size() ? fmt::format("cpu {}", fmt::join(sums, " "))
                                      : (lines.empty() ? std::string() : lines.front());
}

}  // namespace Passenger
