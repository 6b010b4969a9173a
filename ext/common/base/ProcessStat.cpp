#include "base/ProcessStat.h"

#include <cstddef>
#include <sstream>

#include "base/FileContent.h"

namespace Passenger {

std::optional<ProcessStat> ProcessStat::of(pid_t pid) {
    return in("/proc/" + std::to_string(pid));
}

std::optional<ProcessStat> ProcessStat::in(const std::string &folder) {
    const std::string text = fileContent(folder + "/stat");
    // The name is in parentheses, and may have blanks and parentheses, too.
    const std::size_t begin = text.find('(');
    const std::size_t end = text.rfind(')');
    if (begin == std::string::npos || end == std::string::npos || end < begin) {
        return std::nullopt;
    }
    ProcessStat stat;
    stat.name = text.substr(begin + 1, end - begin - 1);
    std::istringstream fields(text.substr(end + 1));
    fields >> stat.state >> stat.parent;
    std::string other;
    for (int number = 5; number < 14; ++number) {
        fields >> other;
    }
    fields >> stat.userTime >> stat.systemTime >> stat.userTimeOfEnded >> stat.systemTimeOfEnded;
    for (int number = 18; number < 22; ++number) {
        fields >> other;
    }
    fields >> stat.startTime >> stat.virtualSize;
    return fields ? std::optional(stat) : std::nullopt;
}

}  // namespace Passenger
