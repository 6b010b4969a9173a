#include "base/Processors.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <sstream>

#include "base/Split.h"
#include "base/WholeNumber.h"

namespace Passenger {

namespace {

/** Linux has no more. */
constexpr std::size_t MOST_SETS = 64;
/** user nice system idle iowait irq softirq steal. The guests' time is in user already. */
constexpr std::size_t FIELDS = 8;
constexpr std::size_t NICE = 1;
constexpr std::size_t IDLE = 3;
constexpr std::size_t IO_WAIT = 4;

/** @param words of a line of /proc/stat, behind its name */
void add(std::istream &words, ProcessorTimes &sum) {
    std::array<std::uint64_t, FIELDS> ticks{};
    for (std::uint64_t &value : ticks) {
        words >> value;
        sum.all += value;
    }
    sum.nice += ticks[NICE];
    sum.idle += ticks[IDLE];
    sum.wait += ticks[IO_WAIT];
}

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

ProcessorTimes timesOf(const std::vector<unsigned> &processors, const std::string &stat) {
    ProcessorTimes whole;
    ProcessorTimes sum;
    std::size_t listed = 0;
    for (const std::string &line : split(stat, '\n')) {
        std::istringstream words(line);
        std::string name;
        words >> name;
        if (name == "cpu") {
            add(words, whole);
        } else if (const auto number = wholeNumber<unsigned>(afterLabel(name, "cpu"))) {
            listed++;
            if (std::binary_search(processors.begin(), processors.end(), *number)) {
                add(words, sum);
            }
        }
    }
    return listed > processors.size() ? sum : whole;
}

}  // namespace Passenger
