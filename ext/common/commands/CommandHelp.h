#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "commands/CommandTable.h"

namespace Passenger {

std::string helpText(const CommandSpec &command);
/** What `--help` prints for a program with subcommands. */
std::string programHelpText(std::string_view program);
/** An option as it stands in texts: `--watch [SECONDS]`. */
std::string optionText(const OptionSpec &option);
/** Breaks a text into lines, and indents each. @param columns of a line with its indentation */
std::string wrapped(std::string_view text, std::size_t indent, std::size_t columns = 80);

}  // namespace Passenger
