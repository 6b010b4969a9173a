#include "standalone/StandaloneOptions.h"

#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace Passenger {

namespace {

constexpr int EXIT_USAGE = 2;
constexpr double MILLISECONDS = 1000;
constexpr double YEAR = 365 * 24 * 3600;
constexpr mode_t ALL = 0777;

/** The options as CLI11 fills them in. */
struct Given {
    std::vector<std::string> tcp;
    std::vector<std::string> unixPaths;
    std::string mode = "0666";
    double timeout = 0;
    double grace = 30;
    std::string appRoot = ".";
};

std::string environmentFromHere() {
    for (const char *name : {"RACK_ENV", "RAILS_ENV"}) {
        if (const char *const value = std::getenv(name); value != nullptr && *value != '\0') {
            return value;
        }
    }
    return "development";
}

std::chrono::milliseconds milliseconds(double seconds) {
    // Rounds up: a tiny time must not become zero.
    return std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(seconds * MILLISECONDS)));
}

/** Checks a time. The comparison is false for NaN. */
std::string checkSeconds(const std::string &text) {
    const double seconds = std::strtod(text.c_str(), nullptr);
    return seconds >= 0 && seconds <= YEAR
               ? ""
               : fmt::format("{} is not a time: write seconds, from 0 to a year (31536000)", text);
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

void add(CLI::App &app, StandaloneOptions &options, Given &given) {
    app.set_version_flag("--version", "passenger-prefork " PASSENGER_VERSION);
    app.add_option("--listen,-l", given.tcp, "address and port; may be repeated (default 127.0.0.1:3000)")
        ->allow_extra_args(false)
        ->type_name("ADDR:PORT");
    app.add_option("--unix,-u", given.unixPaths, "path of a Unix socket; may be repeated")
        ->allow_extra_args(false)
        ->type_name("PATH");
    app.add_option("--socket-mode", given.mode, "permissions of Unix sockets")
        ->type_name("MODE")
        ->capture_default_str();
    app.add_option("--backlog", options.sockets.backlog, "connections that may wait for a worker")
        ->capture_default_str();
    app.add_option("--min-spare", options.limits.minSpare, "free workers, at least")->capture_default_str();
    app.add_option("--max-spare", options.limits.maxSpare, "free workers, at most")->capture_default_str();
    app.add_option("--start", options.limits.start, "workers at the beginning")->capture_default_str();
    app.add_option("--max-clients", options.limits.maxClients, "workers, at most")->capture_default_str();
    app.add_option("--timeout", given.timeout, "seconds that a worker may take for one request; 0: no limit")
        ->check(checkSeconds)
        ->capture_default_str();
    app.add_option("--grace", given.grace, "seconds that a worker may take to end")
        ->check(checkSeconds)
        ->capture_default_str();
    app.add_option("--keep-alive", options.keepAlive, "seconds that a connection may be idle")
        ->check(checkSeconds)
        ->capture_default_str();
    app.add_option("--request-timeout", options.requestTimeout, "seconds that a client may take to send a request")
        ->check(CLI::PositiveNumber)
        ->check(checkSeconds)
        ->capture_default_str();
    app.add_option("--answer-timeout", options.answerTimeout, "seconds that a client may take to receive an answer")
        ->check(CLI::PositiveNumber)
        ->check(checkSeconds)
        ->capture_default_str();
    app.add_option("--environment,-e", options.environment, "RACK_ENV and RAILS_ENV")->capture_default_str();
    app.add_option("--rackup", options.rackup, "file in APPDIR that makes the application")->capture_default_str();
    app.add_option("--ruby", options.ruby, "program that runs the workers")->capture_default_str();
    app.add_option("--pid-file", options.pidFile, "file for the pid of the process to signal")->type_name("PATH");
    app.add_flag("--early-hints", options.earlyHints, "offers rack.early_hints");
    app.add_option("APPDIR", given.appRoot, "folder of the application")->capture_default_str();
    app.footer(
        "Signals: TERM, INT and QUIT end the server after it has answered its requests. HUP restarts the workers one "
        "by one.\nUSR2 starts a successor with the same sockets. TTIN and TTOU add and remove a worker. USR1 writes "
        "the status to the log.");
}

/** getcwd() resolves links. The shell's PWD has them, if it still names this process's folder. The
 *  folder of a predecessor may have been removed. */
std::string appRootFrom(const std::filesystem::path &given) {
    if (const char *const former = std::getenv(StandaloneOptions::FOLDER)) {
        std::string folder = former;
        ::unsetenv(StandaloneOptions::FOLDER);
        return folder;
    }
    const char *const named = std::getenv("PWD");
    std::error_code error;
    const bool isHere = named != nullptr && *named == '/' && std::filesystem::equivalent(named, ".", error);
    return (isHere ? std::filesystem::path(named) / given : std::filesystem::absolute(given))
        .lexically_normal()
        .string();
}

}  // namespace

std::variant<StandaloneOptions, int> StandaloneOptions::parse(int argc, char **argv) {
    StandaloneOptions options;
    options.keepAlive = 20;
    options.requestTimeout = 30;
    options.answerTimeout = 300;
    options.environment = environmentFromHere();
    options.ruby = "ruby";
    options.rackup = "config.ru";
    Given given;
    CLI::App app("Serves a Rack application over HTTP/1.1 with preforked workers, without httpd.", "passenger-prefork");
    add(app, options, given);
    try {
        app.parse(argc, argv);
        for (const auto &text : given.tcp) {
            options.sockets.addresses.push_back(ListenAddress::tcp(text));
        }
        for (const auto &path : given.unixPaths) {
            options.sockets.addresses.push_back(ListenAddress::unixSocket(std::filesystem::absolute(path).string()));
        }
        options.sockets.mode = modeFrom(given.mode);
        options.timeout = milliseconds(given.timeout);
        options.grace = milliseconds(given.grace);
        options.appRoot = appRootFrom(given.appRoot);
        check(options);
    } catch (const CLI::ParseError &error) {
        return app.exit(error) == 0 ? EXIT_SUCCESS : EXIT_USAGE;
    } catch (const std::exception &error) {
        fmt::print(stderr, "passenger-prefork: {}\n", error.what());
        return EXIT_USAGE;
    }
    return options;
}

}  // namespace Passenger
