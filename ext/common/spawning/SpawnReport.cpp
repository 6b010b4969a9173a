#include "spawning/SpawnReport.h"

#include <iterator>

#include <fmt/format.h>

namespace Passenger {

namespace {

const char *nameOf(SpawnJourney::State state) {
    switch (state) {
        case SpawnJourney::State::BEGUN:
            return "under way";
        case SpawnJourney::State::DONE:
            return "done";
        case SpawnJourney::State::FAILED:
            return "failed";
    }
    return "";
}

void addBlock(std::string &text, const std::string &block) {
    if (!block.empty()) {
        text += "\n" + block + (block.ends_with('\n') ? "" : "\n");
    }
}

void addException(std::string &text, const SpawnReport &report) {
    if (report.exceptionClass.empty()) {
        addBlock(text, report.exceptionMessage);
        return;
    }
    // A backtrace as Ruby prints it begins with the exception.
    if (!report.backtrace.starts_with(report.exceptionClass)) {
        addBlock(text, report.exceptionClass + ": " + report.exceptionMessage);
    }
    addBlock(text, report.backtrace);
}

void addSteps(std::string &text, const SpawnJourney &journey) {
    text += "\nSteps:\n";
    for (const auto &step : journey.steps()) {
        fmt::format_to(std::back_inserter(text), "    {:<32} {:<9} {:>7} ms\n", step.name, nameOf(step.state),
                       step.duration.count());
    }
}

void addSetting(std::string &text, const char *name, const std::string &value) {
    fmt::format_to(std::back_inserter(text), "    {:<14} {}\n", name, value);
}

}  // namespace

std::string SpawnReport::text(const Options &options) const {
    std::string text = fmt::format("The application \"{}\" could not be started: {}.\n", options.groupName(), summary);
    if (const auto step = journey.current(); !step.empty()) {
        text += "\nStep: " + step + "\n";
    }
    addException(text, *this);
    addBlock(text, details);
    if (!output.empty()) {
        addBlock(text, "Last output of the application:\n" + output);
    }
    if (!journey.steps().empty()) {
        addSteps(text, journey);
    }
    text += "\nSettings:\n";
    addSetting(text, "folder", options.appRoot);
    addSetting(text, "startup file", options.startupFile);
    addSetting(text, "environment", options.environment);
    if (options.speaksHttp()) {
        addSetting(text, "type", options.startCommand.empty() ? options.appType : "HTTP");
        addSetting(text, "start command", options.startCommand);
    } else {
        addSetting(text, "Ruby", options.ruby);
        addSetting(text, "spawn method", options.spawnMethod);
    }
    addSetting(text, "user", runAs.switches() ? runAs.user + ", group " + runAs.group : "as the server");
    return text;
}

}  // namespace Passenger
