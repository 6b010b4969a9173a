#pragma once

#include <string>

namespace Passenger {

/** @return a duration as `5h 53m 29s`, in whole seconds; days are the largest unit */
std::string uptimeText(double seconds);

}  // namespace Passenger
