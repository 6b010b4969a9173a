#include <fmt/chrono.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <exception>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/Exceptions.h"
#include "base/FileDescriptor.h"
#include "base/LocalTime.h"
#include "base/MarkupText.h"
#include "base/Poll.h"
#include "base/ProcessMemory.h"
#include "base/SignalDescriptor.h"
#include "commands/AgentFinder.h"
#include "commands/AppOrder.h"
#include "commands/Arguments.h"
#include "commands/BacktracesForm.h"
#include "commands/CommandFailure.h"
#include "commands/CommandHelp.h"
#include "commands/JsonResult.h"
#include "commands/OverviewForm.h"
#include "commands/PoolForm.h"
#include "commands/ProcessList.h"
#include "commands/ProgramMain.h"
#include "commands/RequestsForm.h"
#include "commands/Terminal.h"
#include "control/StatusXml.h"

namespace Passenger {

namespace {

constexpr const char *PROGRAM = "passenger-status";
constexpr std::chrono::milliseconds WATCH_INTERVAL{2000};
constexpr std::chrono::milliseconds SHORTEST_INTERVAL{100};

/** One question to the agent, and its answer as text. */
class StatusQuestion {
public:
    explicit StatusQuestion(const Arguments &arguments)
        : arguments_(arguments),
          finder_(arguments),
          show_(arguments.has("json")   ? "json"
                : arguments.has("show") ? arguments.value("show")
                                        : "pool"),
          options_{arguments.has("force-colors") || stdoutIsTerminal(), arguments.has("verbose")} {}

    std::string answer() const {
        const RunningAgent agent = find();
        ControlClient client = agent.connect();
        if (show_ == "backtraces") {
            return backtracesForm(client);
        }
        const bool withRequests = show_ == "requests" || show_ == "json";
        const std::string text =
            client.statusText({}, withRequests ? ControlClient::Detail::REQUESTS : ControlClient::Detail::USUAL);
        if (show_ == "json" || show_ == "server") {
            return jsonForm(text);
        }
        ServerStatus status = statusFromJson(text);
        sortApps(status.apps, arguments_.has("sort") ? arguments_.value("sort") : "name");
        if (show_ == "xml") {
            measure(status);
            return statusXml(status);
        }
        return (arguments_.has("no-header") ? "" : header(agent, status)) + form(status);
    }

private:
    RunningAgent find() const {
        if (arguments_.operands().empty()) {
            return finder_.choose({});
        }
        const std::string &name = arguments_.operands().front();
        return arguments_.has("pid-identifier") ? finder_.chooseByPid(name) : finder_.choose(name);
    }

    std::string form(const ServerStatus &status) const {
        if (show_ == "requests") {
            return requestsForm(status);
        }
        return arguments_.has("watch") && !arguments_.has("show") ? overviewForm(status, options_)
                                                                  : poolForm(status, options_);
    }

    std::string jsonForm(const std::string &text) const {
        auto document = nlohmann::ordered_json::parse(text);
        if (show_ == "server") {
            document.erase("apps");
        }
        return JsonResult::text(document);
    }

    static std::string header(const RunningAgent &agent, const ServerStatus &status) {
        return fmt::format("Version : {}\nDate    : {:%Y-%m-%d %H:%M:%S %z}\nInstance: {} (httpd {})\n\n",
                           singleLine(status.version), localTime(std::time(nullptr)), agent.name, agent.httpdPid);
    }

    /** The agent measures PSS only. */
    static void measure(ServerStatus &status) {
        const std::vector<ListedProcess> processes = listProcesses();
        for (AppStatus &app : status.apps) {
            for (InstanceStatus &instance : app.instances) {
                const auto process = std::find_if(processes.begin(), processes.end(), [&](const ListedProcess &one) {
                    return one.pid == static_cast<pid_t>(instance.pid);
                });
                const auto memory = processMemory(static_cast<pid_t>(instance.pid));
                if (memory && process != processes.end()) {
                    instance.measured = {memory->resident,     memory->privateDirty,  memory->swap,
                                         process->virtualSize, getpgid(process->pid), process->command};
                }
            }
        }
    }

    const Arguments &arguments_;
    const AgentFinder finder_;
    const std::string show_;
    const FormOptions options_;
};

void print(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

/** Shows the answer again and again, on the terminal's second screen, until SIGINT or SIGTERM. */
void watch(const StatusQuestion &question, std::chrono::milliseconds interval) {
    const bool terminal = stdoutIsTerminal();
    const FileDescriptor signals = makeSignalDescriptor({SIGINT, SIGTERM, SIGHUP});
    print(terminal ? "\x1b[?1049h\x1b[?25l" : "");
    for (;;) {
        std::string text;
        try {
            text = question.answer();
        } catch (const std::exception &error) {
            // The agent may come back.
            text = fmt::format("{}: {}\n", PROGRAM, printable(error.what()));
        }
        print(terminal ? "\x1b[H\x1b[J" + clipped(text, TerminalSize::now()) : text);
        if (pollUntil(signals.get(), POLLIN, deadlineIn(interval)) || std::ferror(stdout) != 0) {
            break;
        }
    }
    print(terminal ? "\x1b[?25h\x1b[?1049l" : "");
}

/** @param words of the command line @return the exit status */
int run(const std::vector<std::string> &words) {
    const CommandSpec &command = *findCommand(PROGRAM);
    const Arguments arguments = Arguments::parse(command, words);
    if (arguments.has("help")) {
        print(helpText(command));
        return ExitStatus::DONE;
    }
    if (arguments.has("version")) {
        print(fmt::format("{} {}\n", PROGRAM, PASSENGER_VERSION));
        return ExitStatus::DONE;
    }
    const StatusQuestion question(arguments);
    if (!arguments.has("watch")) {
        try {
            print(question.answer());
        } catch (const OrderRefusedException &error) {
            throw CommandFailureException(error.what(), ExitStatus::NO_ANSWER);
        } catch (const IOException &error) {
            throw CommandFailureException(fmt::format("the agent does not answer: {}", error.what()),
                                          ExitStatus::NO_ANSWER);
        }
        return ExitStatus::DONE;
    }
    const auto interval = arguments.value("watch").empty() ? WATCH_INTERVAL : *arguments.seconds("watch");
    watch(question, std::max(interval, SHORTEST_INTERVAL));
    return ExitStatus::DONE;
}

}  // namespace

}  // namespace Passenger

int main(int argc, char **argv) {
    return Passenger::runProgram(Passenger::PROGRAM, argc, argv, Passenger::run);
}
