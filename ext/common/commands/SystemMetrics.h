#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace Passenger {

/** What /proc tells about the machine. A plain value. */
struct SystemMetrics {
    /** Times of a processor since the start, in ticks; of all of them together in the first one. */
    struct Processor {
        std::uint64_t user = 0;
        std::uint64_t nice = 0;
        std::uint64_t system = 0;
        std::uint64_t idle = 0;
        std::uint64_t wait = 0;
        std::uint64_t stolen = 0;
    };

    std::string kernel;
    double uptime = 0;
    std::string loads;
    std::vector<Processor> processors;
    /** Processes since the start. */
    std::uint64_t forks = 0;
    /** The lines of /proc/meminfo, in bytes. */
    std::map<std::string, std::uint64_t> memory;

    /** Measures at this moment. */
    static SystemMetrics now();
    /** Reads the content of /proc/stat and /proc/meminfo. */
    void readStat(std::string_view text);
    void readMemory(std::string_view text);
};

/** @param before, after two moments @param seconds between them */
std::string metricsForm(const SystemMetrics &before, const SystemMetrics &after, double seconds);
std::string metricsJson(const SystemMetrics &before, const SystemMetrics &after, double seconds);

}  // namespace Passenger
