#include "agent/CommandLine.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "agent/PoolProcess.h"
#include "agent/ProcessSetup.h"
#include "agent/RunAs.h"
#include "base/DescriptorCloser.h"
#include "base/Exceptions.h"
#include "base/ProcessTree.h"
#include "bridge/Bridge.h"
#include "bridge/NodeInstance.h"
#include "log/Log.h"
#include "rights/RightsProcess.h"
#include "watchdog/Anchor.h"
#include "watchdog/Watchdog.h"

namespace Passenger {

namespace {

constexpr int EXIT_USAGE = 2;

/** A signal to a process of the agent is for httpd, or a mistake: httpd tells the agent to end. */
void setUpAgentProcess() {
    setUpProcess();
    ignoreSignals({SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2});
}

int runAnchor() {
    setUpAgentProcess();
    Anchor anchor(takeInheritedSocket(), ownProgram);
    return anchor.run();
}

int runWatchdog() {
    setUpAgentProcess();
    Log::info("event=watchdog.starting descriptors=\"{}\"", describeDescriptorLimit());
    Watchdog watchdog(takeInheritedSocket(), ownProgram);
    return watchdog.run();
}

/** @param limits the numbers of the user and group that this process gets, and what
 *  PassengerSeccomp says; none: it stays as it is */
int runPool(const PoolEngineFactory &makeEngine, std::span<char *const> limits) {
    setUpAgentProcess();
    std::string confinement = "user=unchanged";
    if (limits.size() == 3) {
        confinement = giveUpRights(static_cast<uid_t>(std::stoul(limits[0])), static_cast<gid_t>(std::stoul(limits[1])),
                                   seccompModeIn(limits[2]).value_or(SeccompMode::ON));
    }
    PoolProcess pool(takeInheritedSocket(), makeEngine, std::move(confinement));
    return pool.run();
}

int runRights() {
    setUpAgentProcess();
    // This process forks children that do not execute a program, so it has no other thread.
    DescriptorCloser::use(nullptr);
    keepRights();
    RightsProcess rights(takeInheritedSocket(), parentOf(::getppid()));
    return rights.run();
}

int runBridge() {
    setUpProcess();
    return Bridge::run(takeInheritedSocket(), ownProgram());
}

int runBridgeAgain() {
    const auto options = Bridge::NodeInstance::keptOptions();
    setUpProcess();
    return Bridge::runAgain(takeInheritedSocket(), ownProgram(), options);
}

/** All but `pool`, which has arguments. */
constexpr std::pair<std::string_view, int (*)()> PROCESSES[] = {{"anchor", runAnchor},
                                                                {"watchdog", runWatchdog},
                                                                {"rights", runRights},
                                                                {"bridge", runBridge},
                                                                {"bridge-again", runBridgeAgain}};

}  // namespace

int runCommandLine(int argc, char **argv, const PoolEngineFactory &makeEngine) {
    if (argc > 1 && std::string_view(argv[1]) == "run-as") {
        return runAs(std::span(argv + 2, static_cast<std::size_t>(argc - 2)));
    }
    const std::string_view command = argc == 2 ? argv[1] : "";
    try {
        if (argc > 1 && std::string_view(argv[1]) == "pool") {
            return runPool(makeEngine, std::span(argv + 2, static_cast<std::size_t>(argc - 2)));
        }
        for (const auto &[name, run] : PROCESSES) {
            if (command == name) {
                return run();
            }
        }
    } catch (const std::exception &exception) {
        fmt::print(stderr, "passenger-agent: {}\n", exception.what());
        return EXIT_FAILURE;
    }
    if (command == "--version") {
        fmt::print("passenger-agent {}\n", PASSENGER_VERSION);
        return EXIT_SUCCESS;
    }
    const bool asked = command == "--help";
    fmt::print(asked ? stdout : stderr,
               "passenger-agent runs applications for Apache httpd. mod_passenger starts it; do not start it by "
               "hand.\nUsage: passenger-agent --version | --help\n");
    return asked ? EXIT_SUCCESS : EXIT_USAGE;
}

}  // namespace Passenger
