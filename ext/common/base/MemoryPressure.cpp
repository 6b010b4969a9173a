#include "base/MemoryPressure.h"

#include <charconv>
#include <fstream>
#include <string_view>

namespace Passenger {

double memoryPressure(const std::string &file) {
    constexpr std::string_view FULL = "full avg10=";
    std::ifstream lines(file);
    double percent = 0;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(FULL)) {
            std::from_chars(line.data() + FULL.size(), line.data() + line.size(), percent);
        }
    }
    return percent;
}

}  // namespace Passenger
