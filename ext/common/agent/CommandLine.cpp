#include "agent/CommandLine.h"

#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include <cstdlib>
#include <exception>

#include "agent/PoolProcess.h"
#include "agent/ProcessSetup.h"
#include "base/Exceptions.h"
#include "base/Log.h"
#include "bridge/Bridge.h"
#include "watchdog/Watchdog.h"

namespace Passenger {

namespace {

constexpr int EXIT_USAGE = 2;

int runWatchdog() {
    setUpProcess();
    Log::info("event=watchdog.starting descriptors={}", describeDescriptorLimit());
    Watchdog watchdog(takeInheritedSocket(), ownProgram);
    return watchdog.run();
}

int runPool(const PoolEngineFactory &makeEngine) {
    setUpProcess();
    PoolProcess pool(takeInheritedSocket(), makeEngine);
    return pool.run();
}

int runBridge() {
    setUpProcess();
    return Bridge::run(takeInheritedSocket(), ownProgram());
}

}  // namespace

int runCommandLine(int argc, char **argv, const PoolEngineFactory &makeEngine) {
    CLI::App app("The agent of mod_passenger: runs applications for Apache httpd, which starts and ends it.",
                 "passenger-agent");
    app.set_version_flag("--version", "passenger-agent " PASSENGER_VERSION);
    app.require_subcommand(1);
    // Without a group they are not shown: nobody needs to start them by hand.
    const auto *const watchdog = app.add_subcommand("watchdog", "starts and supervises the pool process")->group("");
    const auto *const pool = app.add_subcommand("pool", "manages the application instances")->group("");
    const auto *const bridge = app.add_subcommand("bridge", "runs an application that speaks HTTP")->group("");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        return app.exit(error) == 0 ? EXIT_SUCCESS : EXIT_USAGE;
    }

    try {
        if (watchdog->parsed()) {
            return runWatchdog();
        }
        if (pool->parsed()) {
            return runPool(makeEngine);
        }
        if (bridge->parsed()) {
            return runBridge();
        }
        return EXIT_USAGE;
    } catch (const std::exception &exception) {
        fmt::print(stderr, "passenger-agent: {}\n", exception.what());
        return EXIT_FAILURE;
    }
}

}  // namespace Passenger
