#include "commands/CommandHelp.h"

#include <fmt/format.h>

#include "base/Lists.h"
#include "base/Split.h"

namespace Passenger {

namespace {

constexpr std::size_t COMMAND_COLUMN = 24;

}  // namespace

std::string wrapped(std::string_view text, std::size_t indent, std::size_t columns) {
    std::string result;
    for (const std::string &paragraph : split(text, '\n')) {
        std::string line;
        for (const std::string &word : split(paragraph, ' ')) {
            if (!line.empty() && indent + line.size() + 1 + word.size() > columns) {
                result.append(indent, ' ').append(line).append("\n");
                line.clear();
            }
            line += (line.empty() ? "" : " ") + word;
        }
        result.append(indent, ' ').append(line).append("\n");
    }
    return result;
}

std::string optionText(const OptionSpec &option) {
    std::string text = option.letter == '\0' ? "" : fmt::format("-{}, ", option.letter);
    text += fmt::format("--{}", option.name);
    if (option.argument == OptionSpec::Argument::REQUIRED) {
        text += fmt::format(" {}", option.placeholder);
    } else if (option.argument == OptionSpec::Argument::OPTIONAL) {
        text += fmt::format(" [{}]", option.placeholder);
    }
    return text;
}

std::string helpText(const CommandSpec &command) {
    std::string text = fmt::format("Usage: {} [OPTIONS]{}{}\n\n", command.fullName(),
                                   *command.operands == '\0' ? "" : " ", command.operands);
    text += wrapped(command.description, 2);
    text += "\nOptions:\n";
    for (const OptionSpec &option : command.options) {
        text += fmt::format("  {}\n", optionText(option));
        const std::string choices = *option.choices == '\0' ? "" : fmt::format("One of {}. ", option.choices);
        text += wrapped(choices + option.help, 6);
    }
    return sumOf(text + "\nExit status:\n", command.statuses,
                 [](const ExitSpec &exit) { return wrapped(fmt::format("{}: {}", exit.status, exit.meaning), 2); });
}

std::string programHelpText(std::string_view program) {
    std::string text = fmt::format("Usage: {} COMMAND [OPTIONS]\n\nCommands:\n", program);
    for (const CommandSpec &command : allCommands()) {
        if (command.program == program) {
            text += fmt::format("  {:<{}}{}\n", command.name, COMMAND_COLUMN, command.summary);
        }
    }
    return text + fmt::format("\n{} COMMAND --help says more about a command.\n", program);
}

}  // namespace Passenger
