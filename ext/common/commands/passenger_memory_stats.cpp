#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <optional>

#include "base/LocalTime.h"
#include "commands/AgentFinder.h"
#include "commands/Arguments.h"
#include "commands/CommandFailure.h"
#include "commands/CommandHelp.h"
#include "commands/CommandLimit.h"
#include "commands/MemorySections.h"
#include "commands/ProgramMain.h"
#include "commands/Terminal.h"

namespace Passenger {

namespace {

constexpr const char *PROGRAM = "passenger-memory-stats";

/** @param words of the command line @return the exit status */
int run(const std::vector<std::string> &words) {
    const CommandSpec &command = *findCommand(PROGRAM);
    const Arguments arguments = Arguments::parse(command, words);
    if (arguments.has("help")) {
        fmt::print("{}", helpText(command));
        return ExitStatus::DONE;
    }
    if (arguments.has("version")) {
        fmt::print("{} {}\n", PROGRAM, PASSENGER_VERSION);
        return ExitStatus::DONE;
    }
    if (const std::optional<int> status = limitCommand()) {
        return *status;
    }
    const AgentFinder finder(arguments);
    const auto agents = finder.list();
    const auto sections = memorySections(agents, !arguments.has("no-apache"));
    if (arguments.has("json")) {
        fmt::print("{}", memoryJson(sections));
        return ExitStatus::DONE;
    }
    fmt::print("Version: {}\nDate   : {:%Y-%m-%d %H:%M:%S %z}\n", PASSENGER_VERSION, localTime(std::time(nullptr)));
    fmt::print("{}", memoryForm(sections, stdoutIsTerminal()));
    if (agents.empty()) {
        fmt::print(stderr, "{}: no agent of mod_passenger is running, as far as {} shows\n", PROGRAM, finder.folder());
    } else if (std::any_of(sections.begin(), sections.end(),
                           [](const MemorySection &one) { return !one.complete(); })) {
        fmt::print(stderr,
                   "{}: \"?\": this user may not measure the processes of other users. Root with CAP_SYS_PTRACE may: "
                   "sudo {}\n",
                   PROGRAM, PROGRAM);
    }
    return ExitStatus::DONE;
}

}  // namespace

}  // namespace Passenger

int main(int argc, char **argv) {
    return Passenger::runProgram(Passenger::PROGRAM, argc, argv, Passenger::run);
}
