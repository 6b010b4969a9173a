#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The one list of commands and their options: the parser, --help, the man pages and the completion
// of shells come from it.

namespace Passenger {

struct OptionSpec {
    enum class Argument { NONE, OPTIONAL, REQUIRED };

    const char *name = "";
    /** NUL: the option has no short form. */
    char letter = '\0';
    Argument argument = Argument::NONE;
    /** Stands for the argument in texts. */
    const char *placeholder = "";
    const char *help = "";
    /** Separated by `|`; empty: any text. */
    const char *choices = "";
};

/** The value of CommandSpec::mostOperands for any number. */
inline constexpr std::size_t MANY_OPERANDS = 100;

struct ExitSpec {
    int status = 0;
    const char *meaning = "";
};

/** A program without subcommands, or a subcommand of a program. */
struct CommandSpec {
    const char *program = "";
    /** The name of the subcommand; empty: there is none. */
    const char *name = "";
    /** The operands in the form of a usage line. */
    const char *operands = "";
    std::size_t mostOperands = 0;
    const char *summary = "";
    /** Paragraphs, each with its line break. */
    std::string description;
    std::vector<OptionSpec> options;
    std::vector<ExitSpec> statuses;

    /** The command in the user's form: `passenger-config restart-app`. */
    std::string fullName() const;
};

/** What these statuses mean where a command has nothing else to say: 0 and 1. */
const std::vector<ExitSpec> &usualStatuses();
const std::vector<CommandSpec> &allCommands();
/** The names of the programs, and what each is for. */
std::vector<std::pair<std::string, std::string>> allPrograms();
/** @param name empty: the program itself @return null: there is no such command */
const CommandSpec *findCommand(std::string_view program, std::string_view name = {});

}  // namespace Passenger
