#pragma once

#include <string>
#include <string_view>

namespace Passenger {

/** The man page of a program with all its commands, in roff. */
std::string manPage(std::string_view program);

}  // namespace Passenger
