#pragma once

#include <ctime>

namespace Passenger {

/** The parts of a time in this machine's time zone. Not fmt::localtime, which fmt 12 lacks. */
std::tm localTime(std::time_t time);

}  // namespace Passenger
