#include "commands/EventForm.h"

#include <fmt/format.h>

#include "commands/CommandFailure.h"
#include "commands/CommandHelp.h"
#include "commands/EventTable.h"

namespace Passenger {

namespace {

constexpr std::string_view PREFIX = "event=";
constexpr std::size_t INDENT = 2;

/** For a failure: the events of the same subject, such as `spawn`. */
std::string similar(std::string_view name) {
    const std::string subject(name.substr(0, name.find('.')));
    std::string names;
    for (const EventEntry &entry : allEvents()) {
        if (entry.name.starts_with(subject + ".") && names.find(entry.name) == std::string::npos) {
            names += (names.empty() ? "" : ", ") + std::string(entry.name);
        }
    }
    return names;
}

}  // namespace

std::string eventForm(std::string_view name) {
    name.remove_prefix(name.starts_with(PREFIX) ? PREFIX.size() : 0);
    std::string text;
    for (const EventEntry &entry : eventsNamed(name)) {
        text += fmt::format("{}{} ({}), {}\n\n{}\nWhat to do:\n{}", text.empty() ? "" : "\n", entry.name, entry.levels,
                            entry.section, wrapped(entry.meaning, INDENT), wrapped(entry.action, INDENT));
    }
    if (!text.empty()) {
        return text;
    }
    const std::string others = similar(name);
    throw CommandFailureException(
        fmt::format("there is no event \"{}\"; {}", name,
                    others.empty() ? "passenger-config event lists all of them" : "there are " + others));
}

std::string eventList() {
    std::string text;
    std::string_view section;
    for (const EventEntry &entry : allEvents()) {
        if (entry.section != section) {
            section = entry.section;
            text += fmt::format("{}{}:\n", text.empty() ? "" : "\n", section);
        }
        text += fmt::format("  {} ({})\n", entry.name, entry.levels);
    }
    return text;
}

int printEvent(const Arguments &arguments) {
    fmt::print("{}", arguments.operands().empty() ? eventList() : eventForm(arguments.operands().front()));
    return ExitStatus::DONE;
}

}  // namespace Passenger
