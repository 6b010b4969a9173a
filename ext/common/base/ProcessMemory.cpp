#include "base/ProcessMemory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string>
#include <string_view>

#include "base/FileDescriptor.h"

namespace Passenger {

namespace {

constexpr std::string_view LABEL = "Pss:";
constexpr std::uint64_t KILOBYTE = 1024;

/** The number of a line such as `Pss:      1024 kB`; 0 for all other lines. */
std::uint64_t kilobytesIn(std::string_view line) {
    if (!line.starts_with(LABEL)) {
        return 0;
    }
    line.remove_prefix(LABEL.size());
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    std::uint64_t number = 0;
    std::from_chars(line.data(), line.data() + line.size(), number);
    return number;
}

/**
 * The sum over all lines. smaps_rollup has one such line, smaps one for each mapping. Nothing if
 * the file cannot be read; errno says why.
 */
std::optional<std::uint64_t> sumIn(const std::string &path) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) {
        return std::nullopt;
    }
    std::array<char, 16384> buffer;
    std::string lines;
    std::uint64_t sum = 0;
    for (;;) {
        const ssize_t size = ::read(file.get(), buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return std::nullopt;
        }
        if (size == 0) {
            return sum;
        }
        lines.append(buffer.data(), static_cast<std::size_t>(size));
        std::size_t start = 0;
        for (auto end = lines.find('\n'); end != std::string::npos; end = lines.find('\n', start)) {
            sum += kilobytesIn(std::string_view(lines).substr(start, end - start));
            start = end + 1;
        }
        lines.erase(0, start);
    }
}

}  // namespace

std::optional<std::uint64_t> proportionalSetSize(pid_t pid) {
    const std::string folder = "/proc/" + std::to_string(pid);
    auto kilobytes = sumIn(folder + "/smaps_rollup");
    if (!kilobytes && errno == ENOENT) {
        // Linux before 4.14 has no smaps_rollup.
        kilobytes = sumIn(folder + "/smaps");
    }
    // A zombie or a kernel thread has no memory. Its file is empty or shows 0.
    if (!kilobytes || *kilobytes == 0) {
        return std::nullopt;
    }
    return *kilobytes * KILOBYTE;
}

}  // namespace Passenger
