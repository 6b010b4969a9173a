#pragma once

#include <string>
#include <string_view>

namespace Passenger {

/** The completion of a program's commands and options, for bash-completion. */
std::string bashCompletion(std::string_view program);
/** The completion of a program for zsh. */
std::string zshCompletion(std::string_view program);

}  // namespace Passenger
