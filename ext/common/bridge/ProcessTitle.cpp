#include "bridge/ProcessTitle.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <vector>

namespace Passenger::Bridge {

namespace {

/** The memory that the kernel shows: first the arguments, then the environment. */
struct Area {
    char *begin;
    std::size_t size;
};

/** Numbers 48 to 51 of /proc/self/stat: begin and end of the arguments, and of the environment. */
std::optional<Area> findArea() {
    std::ifstream file("/proc/self/stat");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto nameEnd = text.rfind(") ");
    if (nameEnd == std::string::npos) {
        return std::nullopt;
    }
    std::istringstream rest(text.substr(nameEnd + 2));
    const std::vector<std::string> fields{std::istream_iterator<std::string>(rest), {}};
    constexpr std::size_t ARGUMENTS = 48 - 3;
    if (fields.size() < ARGUMENTS + 4) {
        return std::nullopt;
    }
    const auto number = [&](std::size_t index) { return std::stoull(fields[ARGUMENTS + index]); };
    const std::uint64_t begin = number(0);
    const std::uint64_t end = number(1) == number(2) ? number(3) : number(1);
    if (begin == 0 || end <= begin) {
        return std::nullopt;
    }
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel tells the address
    return Area{reinterpret_cast<char *>(static_cast<std::uintptr_t>(begin)), static_cast<std::size_t>(end - begin)};
}

/** The strings live as long as the process. */
void moveEnvironment() {
    std::size_t count = 0;
    while (environ[count] != nullptr) {
        count++;
    }
    auto **copy = new char *[count + 1];
    std::transform(environ, environ + count, copy, [](const char *variable) { return strdup(variable); });
    copy[count] = nullptr;
    environ = copy;
}

}  // namespace

void setProcessTitle(const std::string &title) {
    static const std::optional<Area> AREA = [] {
        const std::optional<Area> area = findArea();
        if (area) {
            moveEnvironment();
        }
        return area;
    }();
    if (!AREA) {
        return;
    }
    std::memset(AREA->begin, 0, AREA->size);
    std::memcpy(AREA->begin, title.data(), std::min(title.size(), AREA->size - 1));
}

}  // namespace Passenger::Bridge
