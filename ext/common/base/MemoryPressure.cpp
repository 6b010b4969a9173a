#include "base/MemoryPressure.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/FileContent.h"
#include "base/Split.h"

namespace Passenger {

double memoryPressure(const std::string &file) {
    const std::string figure = afterLabel(fileContent(file), "full avg10=");
    double percent = 0;
    std::from_chars(figure.data(), figure.data() + figure.size(), percent);
    return percent;
}

namespace {

/** Whether the group has a limit at which the kernel refuses memory, or slows its processes. */
bool isLimited(const std::string &group) {
    const auto has = [&group](const char *file) {
        const std::string limit = fileContent(group + file);
        return !limit.empty() && !limit.starts_with("max");
    };
    return has("/memory.max") || has("/memory.high");
}

}  // namespace

double ownMemoryPressure(const CgroupFiles &files, const std::string &host) {
    const std::vector<std::string> groups = files.groups();
    double most = groups.empty() ? 0 : memoryPressure(groups.front() + "/memory.pressure");
    bool anyLimited = false;
    for (const std::string &folder : groups) {
        if (isLimited(folder)) {
            most = std::max(most, memoryPressure(folder + "/memory.pressure"));
            anyLimited = true;
        }
    }
    return anyLimited ? most : std::max(most, memoryPressure(host));
}

}  // namespace Passenger
