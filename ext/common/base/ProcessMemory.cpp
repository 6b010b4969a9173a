#include "base/ProcessMemory.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>

#include "base/FileContent.h"
#include "base/Split.h"

namespace Passenger {

namespace {

constexpr std::uint64_t KILOBYTE = 1024;

/** Takes the number of a line such as `Pss:      1024 kB`. Other lines have no effect. */
void readLine(ProcessMemory &memory, std::string_view line) {
    constexpr std::pair<std::string_view, std::uint64_t ProcessMemory::*> LABELS[] = {
        {"Rss:", &ProcessMemory::resident},
        {"Pss:", &ProcessMemory::proportional},
        {"Private_Clean:", &ProcessMemory::privateClean},
        {"Private_Dirty:", &ProcessMemory::privateDirty},
        {"Anonymous:", &ProcessMemory::anonymous},
        {"Swap:", &ProcessMemory::swap},
        {"SwapPss:", &ProcessMemory::swapProportional}};
    for (const auto &[label, member] : LABELS) {
        if (line.starts_with(label)) {
            line.remove_prefix(label.size());
            line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
            std::uint64_t kilobytes = 0;
            std::from_chars(line.data(), line.data() + line.size(), kilobytes);
            memory.*member = kilobytes * KILOBYTE;
            return;
        }
    }
}

}  // namespace

ProcessMemory parseMemory(const std::string &text) {
    ProcessMemory memory;
    for (const std::string &line : split(text, '\n')) {
        readLine(memory, line);
    }
    return memory;
}

std::optional<ProcessMemory> processMemory(pid_t pid) {
    const ProcessMemory memory = parseMemory(fileContent("/proc/" + std::to_string(pid) + "/smaps_rollup"));
    // The file cannot be read, or is empty, or shows 0: a zombie or a kernel thread has no memory.
    return memory.used() == 0 ? std::nullopt : std::optional(memory);
}

ProcessMemory &ProcessMemory::operator+=(const ProcessMemory &other) noexcept {
    resident += other.resident;
    proportional += other.proportional;
    privateClean += other.privateClean;
    privateDirty += other.privateDirty;
    swap += other.swap;
    swapProportional += other.swapProportional;
    anonymous += other.anonymous;
    return *this;
}

}  // namespace Passenger
