#pragma once

#include <chrono>
#include <string>
#include <variant>

#include "policy/SparePolicy.h"
#include "standalone/ListeningSockets.h"

namespace Passenger {

/** The command line of passenger-prefork. A plain value. */
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
    /** The environment variable with `folder` for a successor. */
    static constexpr const char *FOLDER = "PASSENGER_PREFORK_START";
    /** Where the first process was started, with its symbolic links. Relative paths begin here. */
    std::string folder{};
    /** An absolute path with its symbolic links: a link may point elsewhere at the next load. */
    std::string appRoot{};

    /** @return the options, or the exit status after --help or a wrong option */
    static std::variant<StandaloneOptions, int> parse(int argc, char **argv);
};

}  // namespace Passenger
