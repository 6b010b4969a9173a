#include "base/ProcessMemory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>

#include "base/FileDescriptor.h"

namespace Passenger {

namespace {

constexpr std::uint64_t KILOBYTE = 1024;

/** Adds the number of a line such as `Pss:      1024 kB`. Other lines add nothing. */
void addLine(ProcessMemory &memory, std::string_view line) {
    constexpr std::pair<std::string_view, std::uint64_t ProcessMemory::*> LABELS[] = {
        {"Rss:", &ProcessMemory::resident},
        {"Pss:", &ProcessMemory::proportional},
        {"Private_Clean:", &ProcessMemory::privateClean},
        {"Private_Dirty:", &ProcessMemory::privateDirty},
        {"Swap:", &ProcessMemory::swap}};
    for (const auto &[label, member] : LABELS) {
        if (line.starts_with(label)) {
            line.remove_prefix(label.size());
            line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
            std::uint64_t kilobytes = 0;
            std::from_chars(line.data(), line.data() + line.size(), kilobytes);
            memory.*member += kilobytes * KILOBYTE;
            return;
        }
    }
}

/**
 * The sums over all lines. smaps_rollup has one line of each kind, smaps one for each mapping.
 * Nothing if the file cannot be read; errno says why.
 */
std::optional<ProcessMemory> sumsIn(const std::string &path) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) {
        return std::nullopt;
    }
    std::array<char, 16384> buffer;
    std::string lines;
    ProcessMemory sums;
    for (;;) {
        const ssize_t size = ::read(file.get(), buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return std::nullopt;
        }
        if (size == 0) {
            return sums;
        }
        lines.append(buffer.data(), static_cast<std::size_t>(size));
        std::size_t start = 0;
        for (auto end = lines.find('\n'); end != std::string::npos; end = lines.find('\n', start)) {
            addLine(sums, std::string_view(lines).substr(start, end - start));
            start = end + 1;
        }
        lines.erase(0, start);
    }
}

}  // namespace

std::optional<ProcessMemory> processMemory(pid_t pid) {
    const std::string folder = "/proc/" + std::to_string(pid);
    auto memory = sumsIn(folder + "/smaps_rollup");
    if (!memory && errno == ENOENT) {
        // Linux before 4.14 has no smaps_rollup.
        memory = sumsIn(folder + "/smaps");
    }
    // A zombie or a kernel thread has no memory. Its file is empty or shows 0.
    if (!memory || memory->proportional == 0) {
        return std::nullopt;
    }
    return memory;
}

ProcessMemory &ProcessMemory::operator+=(const ProcessMemory &other) noexcept {
    resident += other.resident;
    proportional += other.proportional;
    privateClean += other.privateClean;
    privateDirty += other.privateDirty;
    swap += other.swap;
    return *this;
}

}  // namespace Passenger
