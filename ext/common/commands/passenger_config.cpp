#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/Clock.h"
#include "commands/AboutCommand.h"
#include "commands/AgentCheckCommand.h"
#include "commands/AgentFinder.h"
#include "commands/AgentOrders.h"
#include "commands/Arguments.h"
#include "commands/CommandFailure.h"
#include "commands/CommandHelp.h"
#include "commands/CommandLimit.h"
#include "commands/EventForm.h"
#include "commands/ExplainCommand.h"
#include "commands/InstallCheck.h"
#include "commands/ProgramMain.h"
#include "commands/SizingCommand.h"
#include "commands/SystemMetrics.h"
#include "commands/Terminal.h"

namespace Passenger {

namespace {

constexpr const char *PROGRAM = "passenger-config";

int validateInstall(const Arguments &arguments) {
    if (const std::optional<int> status = limitCommand()) {
        return *status;
    }
    const auto findings = checkInstall(arguments);
    fmt::print("{}", arguments.has("json") ? findingsJson(findings) : findingsForm(findings, stdoutIsTerminal()));
    return statusOf(findings);
}

int systemMetrics(const Arguments &arguments) {
    constexpr std::chrono::milliseconds BETWEEN{500};
    const SystemMetrics before = SystemMetrics::now();
    std::this_thread::sleep_for(BETWEEN);
    const SystemMetrics after = SystemMetrics::now();
    const double seconds = inSeconds(BETWEEN);
    fmt::print("{}", arguments.has("json") ? metricsJson(before, after, seconds) : metricsForm(before, after, seconds));
    return ExitStatus::DONE;
}

const std::map<std::string_view, std::function<int(const Arguments &)>> COMMANDS = {
    {"restart-app", restartApp},
    {"detach-process", detachProcess},
    {"drain", drain},
    {"undrain", undrain},
    {"agent-check", agentCheck},
    {"pause", pauseQueue},
    {"resume", resumeQueue},
    {"list-instances", listAgents},
    {"reopen-logs", reopenLogs},
    {"report", printReport},
    {"explain", explainUrl},
    {"event", printEvent},
    {"validate-install", validateInstall},
    {"about", about},
    {"system-metrics", systemMetrics},
    {"sizing", recommendSizes},
    {"build-native-support", buildNativeSupport},
    {"api-call", callApi},
};

/** Other ways to write a command, as Phusion Passenger takes them. */
void translate(std::vector<std::string> &words) {
    if (words.size() > 1 && words.front() == "help") {
        words = {words[1], "--help"};
    } else if (words.front().starts_with("--") && isAboutSubject(words.front().substr(2))) {
        words.front().erase(0, 2);
        words.insert(words.begin(), "about");
    } else if (words.size() > 1 && words.front() == "about" && words[1].starts_with("--") &&
               isAboutSubject(words[1].substr(2))) {
        words[1].erase(0, 2);
    }
}

bool asksForHelp(const std::vector<std::string> &words) {
    const std::string &first = words.front();
    return first == "--help" || first == "-h" || first == "help" || first == "--help-all" || first == "help-all";
}

/** @param words of the command line @return the exit status */
int run(std::vector<std::string> words) {
    if (words.empty()) {
        fmt::print(stderr, "{}", programHelpText(PROGRAM));
        return ExitStatus::FAILED;
    }
    translate(words);
    if (asksForHelp(words)) {
        fmt::print("{}", programHelpText(PROGRAM));
        return ExitStatus::DONE;
    }
    const CommandSpec *const command = findCommand(PROGRAM, words.front());
    if (command == nullptr) {
        throw CommandFailureException(
            fmt::format("{} is not a command: {} --help lists them", singleLine(words.front()), PROGRAM));
    }
    const Arguments arguments = Arguments::parse(*command, {words.begin() + 1, words.end()});
    if (arguments.has("help")) {
        fmt::print("{}", helpText(*command));
        return ExitStatus::DONE;
    }
    return COMMANDS.at(words.front())(arguments);
}

}  // namespace

}  // namespace Passenger

int main(int argc, char **argv) {
    return Passenger::runProgram(Passenger::PROGRAM, argc, argv, Passenger::run);
}
