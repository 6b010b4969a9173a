#include "base/MemoryPressure.h"

#include <charconv>

#include "base/FileContent.h"
#include "base/Split.h"

namespace Passenger {

double memoryPressure(const std::string &file) {
    const std::string figure = afterLabel(fileContent(file), "full avg10=");
    double percent = 0;
    std::from_chars(figure.data(), figure.data() + figure.size(), percent);
    return percent;
}

}  // namespace Passenger
