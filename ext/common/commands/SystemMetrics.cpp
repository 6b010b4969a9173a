#include "commands/SystemMetrics.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <sstream>

#include <nlohmann/json.hpp>

#include "base/FileContent.h"
#include "base/Split.h"
#include "commands/JsonResult.h"
#include "control/Uptime.h"

namespace Passenger {

namespace {

constexpr double PER_CENT = 100;
constexpr std::uint64_t KILOBYTE = 1024;

using Processor = SystemMetrics::Processor;
using Part = std::uint64_t Processor::*;

constexpr std::array<Part, 6> PARTS{&Processor::user, &Processor::nice, &Processor::system,
                                    &Processor::idle, &Processor::wait, &Processor::stolen};

/** The wait for disks sometimes falls (proc(5)). */
double growth(std::uint64_t before, std::uint64_t after) {
    return after > before ? static_cast<double>(after - before) : 0;
}

/** Per cent of a processor's time between two moments. */
double share(const SystemMetrics &before, const SystemMetrics &after, std::size_t index, Part part) {
    if (index >= before.processors.size() || index >= after.processors.size()) {
        return 0;
    }
    const auto &begin = before.processors[index];
    const auto &end = after.processors[index];
    double total = 0;
    for (const Part each : PARTS) {
        total += growth(begin.*each, end.*each);
    }
    return total > 0 ? growth(begin.*part, end.*part) / total * PER_CENT : 0;
}

double usage(const SystemMetrics &before, const SystemMetrics &after, std::size_t index) {
    return share(before, after, index, &Processor::user) + share(before, after, index, &Processor::nice) +
           share(before, after, index, &Processor::system);
}

std::uint64_t valueOf(const SystemMetrics &metrics, const char *name) {
    const auto found = metrics.memory.find(name);
    return found == metrics.memory.end() ? 0 : found->second;
}

std::string room(const char *title, std::uint64_t total, std::uint64_t free) {
    const std::uint64_t used = total - std::min(free, total);
    const auto percent = total == 0 ? 0 : used * 100 / total;
    const auto line = [title](const char *what, std::uint64_t bytes) {
        return fmt::format("{:<18}: {:>5} MB", fmt::format("{} {}", title, what), bytes >> 20U);
    };
    return fmt::format("{}\n{} ({}%)\n{}\n", line("total", total), line("used", used), percent, line("free", free));
}

}  // namespace

SystemMetrics SystemMetrics::now() {
    SystemMetrics metrics;
    utsname names{};
    ::uname(&names);
    metrics.kernel = names.release;
    metrics.uptime = std::strtod(fileContent("/proc/uptime").c_str(), nullptr);
    const auto loads = split(fileContent("/proc/loadavg"), ' ');
    for (std::size_t i = 0; i < std::min<std::size_t>(loads.size(), 3); i++) {
        metrics.loads += (i == 0 ? "" : ", ") + loads[i];
    }
    metrics.readStat(fileContent("/proc/stat"));
    metrics.readMemory(fileContent("/proc/meminfo"));
    return metrics;
}

void SystemMetrics::readStat(std::string_view text) {
    for (const std::string &line : split(text, '\n')) {
        std::istringstream words(line);
        std::string name;
        words >> name;
        if (name.starts_with("cpu")) {
            Processor one;
            std::uint64_t interrupts = 0;
            std::uint64_t soft = 0;
            words >> one.user >> one.nice >> one.system >> one.idle >> one.wait >> interrupts >> soft >> one.stolen;
            one.system += interrupts + soft;
            processors.push_back(one);
        } else if (name == "processes") {
            words >> forks;
        }
    }
}

void SystemMetrics::readMemory(std::string_view text) {
    for (const std::string &line : split(text, '\n')) {
        std::istringstream words(line);
        std::string name;
        std::uint64_t kilobytes = 0;
        if (words >> name >> kilobytes) {
            name.pop_back();
            memory[name] = kilobytes * KILOBYTE;
        }
    }
}

std::string metricsForm(const SystemMetrics &before, const SystemMetrics &after, double seconds) {
    const auto part = [&](Part one) { return share(before, after, 0, one); };
    std::string text = "------------- General -------------\n";
    text += fmt::format(
        "Kernel version    : {}\nUptime            : {}\nLoad averages     : {}\nFork rate         : {:.0f}/sec\n\n",
        after.kernel, uptimeText(after.uptime), after.loads, static_cast<double>(after.forks - before.forks) / seconds);
    text += fmt::format("------------- CPU -------------\nNumber of CPUs    : {:>4}\n",
                        after.processors.empty() ? 0 : after.processors.size() - 1);
    text += fmt::format(
        "Average CPU usage : {:>3.0f}%  -- {:>4.0f}% user, {:>4.0f}% nice, {:>4.0f}% system, {:>4.0f}% idle\n",
        usage(before, after, 0), part(&Processor::user), part(&Processor::nice), part(&Processor::system),
        part(&Processor::idle));
    for (std::size_t index = 1; index < after.processors.size(); index++) {
        text += fmt::format("  CPU {:<2}          : {:>3.0f}%\n", index, usage(before, after, index));
    }
    text += fmt::format("I/O pressure      : {:>3.0f}%\nInterference from other VMs: {:>3.0f}%\n\n",
                        part(&Processor::wait), part(&Processor::stolen));
    text += "------------- Memory -------------\n";
    text += room("RAM", valueOf(after, "MemTotal"), valueOf(after, "MemAvailable"));
    return text + room("Swap", valueOf(after, "SwapTotal"), valueOf(after, "SwapFree"));
}

std::string metricsJson(const SystemMetrics &before, const SystemMetrics &after, double seconds) {
    auto processors = nlohmann::ordered_json::array();
    for (std::size_t index = 1; index < after.processors.size(); index++) {
        processors.push_back(usage(before, after, index));
    }
    const nlohmann::ordered_json document = {
        {"kernel_version", after.kernel},
        {"uptime", after.uptime},
        {"load_averages", after.loads},
        {"forks_per_second", static_cast<double>(after.forks - before.forks) / seconds},
        {"cpu_percent", usage(before, after, 0)},
        {"cpus_percent", processors},
        {"io_wait_percent", share(before, after, 0, &Processor::wait)},
        {"steal_percent", share(before, after, 0, &Processor::stolen)},
        {"memory",
         {{"ram_total", valueOf(after, "MemTotal")},
          {"ram_available", valueOf(after, "MemAvailable")},
          {"swap_total", valueOf(after, "SwapTotal")},
          {"swap_free", valueOf(after, "SwapFree")}}}};
    return JsonResult::text(document);
}

}  // namespace Passenger
