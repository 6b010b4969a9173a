#include "standalone/StandaloneOptions.h"

#include <fmt/format.h>

#include <climits>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "commands/Arguments.h"
#include "commands/CommandHelp.h"
#include "commands/CommandTable.h"

namespace Passenger {

namespace {

constexpr const char *PROGRAM = "passenger-prefork";
constexpr int EXIT_USAGE = 2;
constexpr mode_t ALL = 0777;

std::string environmentFromHere() {
    for (const char *name : {"RACK_ENV", "RAILS_ENV"}) {
        if (const char *const value = std::getenv(name); value != nullptr && *value != '\0') {
            return value;
        }
    }
    return "development";
}

std::string textOf(const Arguments &arguments, const std::string &option, const std::string &fallback) {
    return arguments.has(option) ? arguments.value(option) : fallback;
}

/** @throws CommandFailureException */
unsigned numberOf(const Arguments &arguments, const std::string &option, unsigned fallback) {
    return static_cast<unsigned>(arguments.number(option, 0, INT_MAX).value_or(fallback));
}

/** Above zero. @throws CommandFailureException, std::invalid_argument */
double positiveSecondsOf(const Arguments &arguments, const std::string &option, std::chrono::seconds fallback) {
    const std::chrono::duration<double> time = arguments.seconds(option).value_or(fallback);
    if (time == time.zero()) {
        throw std::invalid_argument(fmt::format("--{} 0 is not possible: write seconds above 0", option));
    }
    return time.count();
}

mode_t modeFrom(const std::string &text) {
    char *end = nullptr;
    const auto mode = std::strtoul(text.c_str(), &end, 8);
    if (text.empty() || *end != '\0' || mode > ALL) {
        throw std::invalid_argument(
            fmt::format("--socket-mode \"{}\" is not a file mode: write three or four octal digits, as 0660", text));
    }
    return static_cast<mode_t>(mode);
}

void check(const StandaloneOptions &options) {
    const auto file = std::filesystem::path(options.appRoot) / options.rackup;
    if (!std::filesystem::exists(file)) {
        throw std::invalid_argument(
            fmt::format("there is no {}: name the folder of a Rack application, which has a config.ru", file.string()));
    }
}

/** getcwd() resolves links. The shell's PWD has them, if it still names this process's folder. The
 *  folder of a predecessor may have been removed. Empty: this process's folder has been removed. */
std::string startFolder() {
    if (const char *const former = std::getenv(StandaloneOptions::FOLDER)) {
        std::string folder = former;
        ::unsetenv(StandaloneOptions::FOLDER);
        return folder;
    }
    const char *const named = std::getenv("PWD");
    std::error_code error;
    const bool isHere = named != nullptr && *named == '/' && std::filesystem::equivalent(named, ".", error);
    return isHere ? named : std::filesystem::current_path(error).string();
}

/** @throws std::invalid_argument */
std::string absolute(const std::string &folder, const std::string &path) {
    const auto whole = std::filesystem::path(folder) / path;
    if (whole.is_relative()) {
        throw std::invalid_argument(
            fmt::format("\"{}\" is relative to a folder that has been removed: write an absolute path", path));
    }
    return whole.lexically_normal().string();
}

/** @throws std::exception */
StandaloneOptions optionsFrom(const Arguments &arguments) {
    using namespace std::chrono_literals;
    StandaloneOptions options;
    options.folder = startFolder();
    for (const auto &text : arguments.all("listen")) {
        options.sockets.addresses.push_back(ListenAddress::tcp(text));
    }
    for (const auto &path : arguments.all("unix")) {
        options.sockets.addresses.push_back(ListenAddress::unixSocket(absolute(options.folder, path)));
    }
    options.sockets.mode = modeFrom(textOf(arguments, "socket-mode", "0666"));
    options.sockets.backlog =
        static_cast<int>(numberOf(arguments, "backlog", static_cast<unsigned>(options.sockets.backlog)));
    options.limits.minSpare = numberOf(arguments, "min-spare", options.limits.minSpare);
    options.limits.maxSpare = numberOf(arguments, "max-spare", options.limits.maxSpare);
    options.limits.start = numberOf(arguments, "start", options.limits.start);
    options.limits.maxClients = numberOf(arguments, "max-clients", options.limits.maxClients);
    options.timeout = arguments.seconds("timeout").value_or(0s);
    options.grace = arguments.seconds("grace").value_or(30s);
    options.keepAlive = std::chrono::duration<double>(arguments.seconds("keep-alive").value_or(20s)).count();
    options.requestTimeout = positiveSecondsOf(arguments, "request-timeout", 30s);
    options.answerTimeout = positiveSecondsOf(arguments, "answer-timeout", 300s);
    options.earlyHints = arguments.has("early-hints");
    options.environment = textOf(arguments, "environment", environmentFromHere());
    options.ruby = textOf(arguments, "ruby", "ruby");
    options.rackup = textOf(arguments, "rackup", "config.ru");
    if (const std::string file = arguments.value("pid-file"); !file.empty()) {
        options.pidFile = absolute(options.folder, file);
    }
    options.appRoot = absolute(options.folder, arguments.operands().empty() ? "." : arguments.operands().front());
    check(options);
    return options;
}

}  // namespace

std::variant<StandaloneOptions, int> StandaloneOptions::parse(int argc, char **argv) {
    const CommandSpec &command = *findCommand(PROGRAM);
    try {
        const Arguments arguments = Arguments::parse(command, std::vector<std::string>(argv + 1, argv + argc));
        if (arguments.has("help")) {
            fmt::print("{}", helpText(command));
            return EXIT_SUCCESS;
        }
        if (arguments.has("version")) {
            fmt::print("{} {}\n", PROGRAM, PASSENGER_VERSION);
            return EXIT_SUCCESS;
        }
        return optionsFrom(arguments);
    } catch (const std::exception &error) {
        fmt::print(stderr, "{}: {}\n", PROGRAM, error.what());
        return EXIT_USAGE;
    }
}

}  // namespace Passenger
