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

double ownMemoryPressure(const CgroupFiles &files, const std::string &host) {
    const std::vector<std::string> groups = files.groups();
    double most = groups.empty() ? 0 : memoryPressure(groups.front() + "/memory.pressure");
    bool isLimited = false;
    for (const std::string &folder : groups) {
        const std::string limit = fileContent(folder + "/memory.max");
        if (!limit.empty() && !limit.starts_with("max")) {
            most = std::max(most, memoryPressure(folder + "/memory.pressure"));
            isLimited = true;
        }
    }
    return isLimited ? most : std::max(most, memoryPressure(host));
}

}  // namespace Passenger
