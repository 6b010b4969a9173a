#include "base/LocalTime.h"

#include <cerrno>

#include "base/Exceptions.h"

namespace Passenger {

std::tm localTime(std::time_t time) {
    std::tm parts{};
    if (::localtime_r(&time, &parts) == nullptr) {
        throw SystemException("localtime_r", errno);
    }
    return parts;
}

}  // namespace Passenger
