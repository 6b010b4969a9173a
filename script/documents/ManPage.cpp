#include "documents/ManPage.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/Split.h"
#include "commands/CommandHelp.h"
#include "commands/CommandTable.h"

namespace Passenger {

namespace {

/** Text for roff: no line begins with a request, and dashes can be copied. */
std::string roff(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (c == '\\') {
            result += "\\e";
        } else if (c == '-') {
            result += "\\-";
        } else {
            if ((c == '.' || c == '\'') && (result.empty() || result.back() == '\n')) {
                result += "\\&";
            }
            result += c;
        }
    }
    return result;
}

std::string paragraphs(const std::string &text) {
    std::string result;
    for (const std::string &paragraph : split(text, '\n')) {
        result += fmt::format(".PP\n{}\n", roff(paragraph));
    }
    return result;
}

std::string options(const CommandSpec &command) {
    std::string result;
    for (const OptionSpec &option : command.options) {
        const std::string choices = *option.choices == '\0' ? "" : fmt::format("One of {}. ", option.choices);
        result += fmt::format(".TP\n.B {}\n{}\n", roff(optionText(option)), roff(choices + option.help));
    }
    return result;
}

std::string statuses(const CommandSpec &command) {
    std::string result;
    for (const ExitSpec &exit : command.statuses) {
        result += fmt::format(".TP\n.B {}\n{}\n", exit.status, roff(exit.meaning));
    }
    return result;
}

std::string subcommand(const CommandSpec &command) {
    std::string summary = command.summary;
    summary.front() = static_cast<char>(summary.front() - 'a' + 'A');
    return fmt::format(".SS {} [OPTIONS] {}\n{}.\n{}{}.PP\nExit status:\n{}", roff(command.name),
                       roff(command.operands), roff(summary), paragraphs(command.description), options(command),
                       statuses(command));
}

}  // namespace

std::string manPage(std::string_view program) {
    const auto programs = allPrograms();
    const auto named =
        std::find_if(programs.begin(), programs.end(), [program](const auto &one) { return one.first == program; });
    std::string title(program);
    std::transform(title.begin(), title.end(), title.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    std::string text = fmt::format(".TH {} 1 \"\" \"mod_passenger {}\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n",
                                   roff(title), PASSENGER_VERSION, roff(program), roff(named->second));
    if (const CommandSpec *const command = findCommand(program)) {
        text += fmt::format(".B {}\n[OPTIONS] {}\n.SH DESCRIPTION\n{}.SH OPTIONS\n{}.SH EXIT STATUS\n{}", roff(program),
                            roff(command->operands), paragraphs(command->description), options(*command),
                            statuses(*command));
    } else {
        text += fmt::format(".B {}\nCOMMAND [OPTIONS]\n.SH COMMANDS\n", roff(program));
        for (const CommandSpec &one : allCommands()) {
            text += one.program == program ? subcommand(one) : "";
        }
    }
    if (text.find(roff("--registry-dir")) != std::string::npos) {
        text +=
            ".SH ENVIRONMENT\n.TP\n.B PASSENGER_INSTANCE_REGISTRY_DIR\nThe folder in which agents are looked for.\n";
    }
    text += ".SH SEE ALSO\n";
    std::string others;
    for (const auto &[name, summary] : programs) {
        if (name != program) {
            others += fmt::format("{}.BR {} (1)", others.empty() ? "" : ",\n", roff(name));
        }
    }
    return text + others + "\n";
}

}  // namespace Passenger
