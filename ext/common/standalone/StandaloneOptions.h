#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>

#include "policy/SparePolicy.h"
#include "standalone/ListeningSockets.h"

namespace Passenger {

/** What the command line of passenger-prefork says. A plain value. */
struct StandaloneOptions {
    ListeningSockets::Settings sockets{};
    SpareLimits limits{};
    std::chrono::milliseconds timeout{0};
    std::chrono::milliseconds grace{0};
    double keepAlive = 0;
    double requestTimeout = 0;
    double answerTimeout = 0;
    bool earlyHints = false;
    std::string environment{};
    std::string ruby{};
    std::string rackup{};
    std::string pidFile{};
    /** Absolute. Links in it stay: they may lead elsewhere when the application is loaded again. */
    std::string appRoot{};

    /** @return the options, or the exit status of a program that has nothing more to do: it has shown its help, or what is wrong */
    static std::variant<StandaloneOptions, int> parse(int argc, char **argv);
};

}  // namespace Passenger
