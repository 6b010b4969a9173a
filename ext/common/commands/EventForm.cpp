#include "commands/EventForm.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "commands/CommandFailure.h"
#include "commands/CommandHelp.h"
#include "commands/EventTable.h"

namespace Passenger {

namespace {

constexpr std::string_view PREFIX = "event=";
constexpr std::size_t INDENT = 2;

std::string_view withoutPrefix(std::string_view name) {
    return name.substr(name.starts_with(PREFIX) ? PREFIX.size() : 0);
}

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

CommandFailureException unknown(std::string_view name) {
    const std::string others = similar(name);
    return CommandFailureException(
        fmt::format("there is no event \"{}\"; {}", name,
                    others.empty() ? "passenger-config event lists all of them" : "there are " + others));
}

}  // namespace

std::string eventForm(std::string_view given) {
    const std::string_view name = withoutPrefix(given);
    std::string text;
    for (const EventEntry &entry : eventsNamed(name)) {
        text += fmt::format("{}{} ({}), {}\n\n{}\nWhat to do:\n{}", text.empty() ? "" : "\n", entry.name, entry.levels,
                            entry.section, wrapped(entry.meaning, INDENT), wrapped(entry.action, INDENT));
    }
    return text.empty() ? throw unknown(name) : text;
}

std::string eventJson(std::string_view given) {
    const std::string_view name = withoutPrefix(given);
    auto list = nlohmann::ordered_json::array();
    for (const EventEntry &entry : allEvents()) {
        if (given.empty() || entry.name == name) {
            list.push_back({{"event", entry.name},
                            {"section", entry.section},
                            {"levels", entry.levels},
                            {"meaning", entry.meaning},
                            {"action", entry.action}});
        }
    }
    constexpr int SPACES = 2;
    return list.empty() ? throw unknown(name) : list.dump(SPACES) + "\n";
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
    const std::string name = arguments.operands().empty() ? "" : arguments.operands().front();
    fmt::print("{}", arguments.has("json") ? eventJson(name) : name.empty() ? eventList() : eventForm(name));
    return ExitStatus::DONE;
}

}  // namespace Passenger
