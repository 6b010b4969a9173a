#include "base/LocalTime.h"

#include <cerrno>

#include "base/Exceptions.h"

namespace Passenger {

std::tm localTime(std::time_t time) {
    std::tm parts{};
    throwUnless(::localtime_r(&time, &parts) != nullptr, "localtime_r");
    return parts;
}

}  // namespace Passenger
