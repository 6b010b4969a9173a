#include "commands/MemoryForm.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include <nlohmann/json.hpp>

#include "base/Lists.h"
#include "commands/JsonResult.h"
#include "commands/Terminal.h"

namespace Passenger {

namespace {

// Scripts count the columns up to Private: only httpd's processes have the second one.
constexpr const char *ROW = "{:<7}  {}{:>10}  {:>10}  {:>10}  {:>10}  {}\n";
constexpr const char *PARENT = "{:<7}  ";

std::string inMegabytes(std::uint64_t bytes) {
    return fmt::format("{:.1f} MB", static_cast<double>(bytes) / MEGABYTE);
}

std::string row(const ListedProcess &process, bool withParent) {
    const auto value = [&process](auto take) { return process.memory ? inMegabytes(take(*process.memory)) : "?"; };
    return fmt::format(fmt::runtime(ROW), process.pid,
                       withParent ? fmt::format(fmt::runtime(PARENT), process.parent) : "",
                       inMegabytes(process.virtualSize), value([](const ProcessMemory &one) { return one.unshared(); }),
                       value([](const ProcessMemory &one) { return one.proportional; }),
                       value([](const ProcessMemory &one) { return one.swap; }), singleLine(process.command));
}

nlohmann::ordered_json json(const ProcessMemory &memory) {
    return {{"resident", memory.resident},
            {"pss", memory.proportional},
            {"private", memory.unshared()},
            {"private_dirty", memory.privateDirty},
            {"swap", memory.swap}};
}

std::string sectionForm(const MemorySection &section, bool colours) {
    const ProcessMemory sum = section.sum();
    std::string text =
        "\n" + header(fmt::format("----------- {} -----------", singleLine(section.title)), colours) + "\n";
    const std::string names =
        fmt::format(fmt::runtime(ROW), "PID", section.showsParents ? fmt::format(fmt::runtime(PARENT), "PPID") : "",
                    "VMSize", "Private", "PSS", "Swap", "Name");
    text += sumOf(names + std::string(names.size() - 1, '-') + "\n", section.processes,
                  [&](const ListedProcess &process) { return row(process, section.showsParents); });
    const char *const doubt = section.complete() ? "" : " (?)";
    text += fmt::format("### Processes: {}\n### Total private dirty RSS: {:.2f} MB{}\n", section.processes.size(),
                        static_cast<double>(sum.privateDirty) / MEGABYTE, doubt);
    return text + fmt::format("### Total private memory: {}, PSS: {}, swap: {}{}\n", inMegabytes(sum.unshared()),
                              inMegabytes(sum.proportional), inMegabytes(sum.swap), doubt);
}

std::string sumsByApp(const std::vector<MemorySection> &sections, bool colours) {
    std::string text = "\n" + header("----------- Sums by application -----------", colours) + "\n";
    text += fmt::format("{:>10}  {:>10}  {:>9}  {}\n", "Private", "PSS", "Processes", "Application");
    for (const MemorySection &section : sections) {
        const ProcessMemory sum = section.sum();
        if (section.isApp) {
            text +=
                fmt::format("{:>10}  {:>10}  {:>9}  {}{}\n", inMegabytes(sum.unshared()), inMegabytes(sum.proportional),
                            section.processes.size(), singleLine(section.title), section.complete() ? "" : " (?)");
        }
    }
    return text;
}

}  // namespace

ProcessMemory MemorySection::sum() const {
    return sumOf(ProcessMemory(), processes,
                 [](const ListedProcess &process) { return process.memory.value_or(ProcessMemory()); });
}

bool MemorySection::complete() const {
    return std::all_of(processes.begin(), processes.end(),
                       [](const ListedProcess &process) { return process.memory.has_value(); });
}

std::string memoryForm(const std::vector<MemorySection> &sections, bool colours) {
    std::string text;
    // Plugins take the second sum for that of the agent and all applications.
    MemorySection passenger;
    bool apps = false;
    for (const MemorySection &section : sections) {
        if (section.showsParents) {
            text += sectionForm(section, colours);
            continue;
        }
        passenger.title = passenger.title.empty() ? section.title : passenger.title;
        passenger.processes.insert(passenger.processes.end(), section.processes.begin(), section.processes.end());
        apps = apps || section.isApp;
    }
    text += passenger.title.empty() ? "" : sectionForm(passenger, colours);
    return apps ? text + sumsByApp(sections, colours) : text;
}

std::string memoryJson(const std::vector<MemorySection> &sections) {
    auto document = nlohmann::ordered_json::array();
    for (const MemorySection &section : sections) {
        auto processes = nlohmann::ordered_json::array();
        for (const ListedProcess &process : section.processes) {
            processes.push_back({{"pid", process.pid},
                                 {"ppid", process.parent},
                                 {"command", process.command},
                                 {"virtual", process.virtualSize},
                                 {"memory", process.memory ? json(*process.memory) : nlohmann::ordered_json()}});
        }
        document.push_back({{"title", section.title},
                            {"application", section.isApp},
                            {"complete", section.complete()},
                            {"sum", json(section.sum())},
                            {"processes", processes}});
    }
    return JsonResult::text(document);
}

}  // namespace Passenger
