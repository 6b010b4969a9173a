#include "documents/Completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "base/Split.h"
#include "commands/CommandTable.h"

namespace Passenger {

namespace {

std::vector<CommandSpec> commandsOf(std::string_view program) {
    std::vector<CommandSpec> commands;
    std::copy_if(allCommands().begin(), allCommands().end(), std::back_inserter(commands),
                 [program](const CommandSpec &command) { return command.program == program; });
    return commands;
}

std::string functionName(std::string_view program) {
    std::string name = "_" + std::string(program);
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

std::string optionWords(const CommandSpec &command) {
    std::string words;
    for (const OptionSpec &option : command.options) {
        words += fmt::format("{}--{}", words.empty() ? "" : " ", option.name);
    }
    return words;
}

/** One list for all commands: the names of the options with choices differ. */
std::string bashChoices(const std::vector<CommandSpec> &commands) {
    std::string text;
    for (const CommandSpec &command : commands) {
        for (const OptionSpec &option : command.options) {
            if (*option.choices != '\0') {
                text += fmt::format("        --{}) COMPREPLY=($(compgen -W \"{}\" -- \"$word\")); return ;;\n",
                                    option.name, fmt::join(split(option.choices, '|'), " "));
            }
        }
    }
    return text + "        --registry-dir) COMPREPLY=($(compgen -d -- \"$word\")); return ;;\n";
}

std::string zshText(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (c == '\'') {
            result += "'\\''";
        } else if (c == '[' || c == ']' || c == ':' || c == '\\') {
            result += fmt::format("\\{}", c);
        } else {
            result += c;
        }
    }
    return result;
}

bool isFile(const OptionSpec &option) {
    const std::string_view placeholder = option.placeholder;
    return placeholder == "PATH" || placeholder == "FILE" || placeholder == "FOLDER";
}

std::string zshArguments(const CommandSpec &command, const char *indent) {
    std::string text;
    for (const OptionSpec &option : command.options) {
        std::string help = option.help;
        help.erase(std::min(help.find(". "), help.size()));
        const std::string values = *option.choices != '\0'
                                       ? fmt::format("({})", fmt::join(split(option.choices, '|'), " "))
                                   : isFile(option) ? "_files"
                                                    : "";
        const char *const end = option.argument == OptionSpec::Argument::REQUIRED ? "=" : "";
        const std::string value = option.argument == OptionSpec::Argument::REQUIRED
                                      ? fmt::format(":{}:{}", zshText(option.placeholder), values)
                                      : "";
        text += fmt::format(" \\\n{}'--{}{}[{}]{}'", indent, option.name, end, zshText(help), value);
    }
    return text + fmt::format(" \\\n{}'*:{}:_files'\n", indent, *command.operands == '\0' ? "" : "operand");
}

}  // namespace

std::string bashCompletion(std::string_view program) {
    const auto commands = commandsOf(program);
    const std::string function = functionName(program);
    std::string text = fmt::format(
        "# Made by document_commands.\n{}() {{\n    local word=${{COMP_WORDS[COMP_CWORD]}}\n"
        "    case ${{COMP_WORDS[COMP_CWORD - 1]}} in\n{}    esac\n",
        function, bashChoices(commands));
    if (*commands.front().name == '\0') {
        // Without a reply, bash offers files.
        const bool takesFolder = std::string_view(commands.front().operands) == "[APPDIR]";
        text += fmt::format("    {}COMPREPLY=($(compgen -W \"{}\" -- \"$word\"))\n",
                            takesFolder ? "[[ $word == -* ]] && " : "", optionWords(commands.front()));
    } else {
        std::string names;
        for (const CommandSpec &command : commands) {
            names += fmt::format("{}{}", names.empty() ? "" : " ", command.name);
        }
        text += fmt::format(
            "    if [ \"$COMP_CWORD\" = 1 ]; then\n        COMPREPLY=($(compgen -W \"{}\" -- \"$word\"))\n"
            "        return\n    fi\n    local options=\n    case ${{COMP_WORDS[1]}} in\n",
            names);
        for (const CommandSpec &command : commands) {
            text += fmt::format("        {}) options=\"{}\" ;;\n", command.name, optionWords(command));
        }
        text +=
            "    esac\n    case $word in\n        -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n"
            "        *) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n    esac\n";
    }
    return text + fmt::format("}}\ncomplete -o default -F {} {}\n", function, program);
}

std::string zshCompletion(std::string_view program) {
    const auto commands = commandsOf(program);
    std::string text = fmt::format("#compdef {}\n# Made by document_commands.\n", program);
    if (*commands.front().name == '\0') {
        return text + "_arguments" + zshArguments(commands.front(), "    ");
    }
    text += "local -a commands=(\n";
    for (const CommandSpec &command : commands) {
        text += fmt::format("    '{}:{}'\n", command.name, zshText(command.summary));
    }
    text +=
        ")\nif (( CURRENT == 2 )); then\n    _describe command commands\n    return\nfi\n"
        "local command=$words[2]\nshift words\n(( CURRENT-- ))\ncase $command in\n";
    for (const CommandSpec &command : commands) {
        text += fmt::format("    {})\n        _arguments{}        ;;\n", command.name,
                            zshArguments(command, "            "));
    }
    return text + "esac\n";
}

}  // namespace Passenger
