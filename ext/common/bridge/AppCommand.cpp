#include "bridge/AppCommand.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/FolderTrust.h"
#include "base/NodePackage.h"
#include "base/Split.h"
#include "bridge/EventLog.h"
#include "bridge/NodeFinder.h"

namespace Passenger::Bridge {

namespace {

using Variables = std::map<std::string, std::string>;

constexpr std::string_view VARIABLE_PREFIX = "env:";
/** The Node in PATH. */
constexpr const char *USUAL_NODE = "node";
/** Variables that a login shell sets for itself. */
constexpr const char *SHELL_VARIABLES[] = {"_", "OLDPWD", "SHLVL"};

Variables inheritedVariables() {
    Variables variables;
    for (char **entry = environ; *entry != nullptr; ++entry) {
        const std::string_view variable = *entry;
        const auto equals = variable.find('=');
        if (equals != std::string_view::npos) {
            variables.emplace(variable.substr(0, equals), variable.substr(equals + 1));
        }
    }
    return variables;
}

Variables environmentFor(const Variables &options, std::uint16_t port, const std::string &socketPath) {
    Variables variables = inheritedVariables();
    const std::string environment = optionNamed("environment", options);
    for (const char *name : {"RAILS_ENV", "RACK_ENV", "NODE_ENV", "WSGI_ENV", "PASSENGER_APP_ENV"}) {
        if (!environment.empty()) {
            variables[name] = environment;
        }
    }
    std::string baseUri = optionNamed("base_uri", options);
    if (baseUri.ends_with('/')) {
        baseUri.pop_back();
    }
    if (!baseUri.empty()) {
        variables["PASSENGER_BASE_URI"] = baseUri;
    }
    for (const auto &[name, value] : options) {
        if (name.starts_with(VARIABLE_PREFIX)) {
            variables[name.substr(VARIABLE_PREFIX.size())] = value;
        }
    }
    for (const char *name : SHELL_VARIABLES) {
        variables.erase(name);
    }
    variables["PWD"] = std::filesystem::current_path();
    variables["PORT"] = std::to_string(port);
    variables["PASSENGER_SOCKET"] = socketPath;
    return variables;
}

std::vector<std::string> listOf(const Variables &variables) {
    std::vector<std::string> result;
    result.reserve(variables.size());
    for (const auto &[name, value] : variables) {
        result.push_back(name);
        result.back().append("=").append(value);
    }
    return result;
}

void prependToPath(Variables &variables, const std::string &folder) {
    std::string &path = variables["PATH"];
    path.insert(0, path.empty() ? folder : folder + ":");
}

/** A script that starts Node, such as `NODE_ENV=production node server.js`, in words. Empty: it
 *  needs a shell. */
std::vector<std::string> wordsOf(const std::string &script) {
    constexpr std::string_view ORDINARY = "-_./=:@,+% ";
    const bool isOrdinary = std::all_of(script.begin(), script.end(), [&](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || ORDINARY.find(c) != std::string_view::npos;
    });
    std::vector<std::string> words;
    std::istringstream stream(script);
    for (std::string word; stream >> word;) {
        words.push_back(word);
    }
    const auto command = std::find_if(words.begin(), words.end(), [](const std::string &word) {
        return word.find('=') == std::string::npos || word.front() == '=';
    });
    // With --watch the application is a process of Node's own.
    const bool watches =
        std::any_of(words.begin(), words.end(), [](const std::string &word) { return word.starts_with("--watch"); });
    const bool isPlain = isOrdinary && !watches && words.end() - command > 1 && *command == USUAL_NODE;
    return isPlain ? words : std::vector<std::string>();
}

/** Why this process could not execute the program, which is found in PATH unless it has a slash: an
 *  errno; 0: it could. */
int errorOf(const std::string &program, const std::string &path) {
    if (program.find('/') != std::string::npos) {
        return ::access(program.c_str(), X_OK) == 0 ? 0 : errno;
    }
    for (const std::string &folder : split(path, ':')) {
        if (::access(fmt::format("{}/{}", folder, program).c_str(), X_OK) == 0) {
            return 0;
        }
    }
    return ENOENT;
}

/** The startup file, from the application's folder; package.json: its script. */
std::string startupFileOf(const Variables &options) {
    const std::string file = optionNamed("startup_file", options, "app.js");
    const std::string started =
        file == NodePackage::FILE ? NodePackage::startupFile(optionNamed("app_root", options, ".")) : file;
    return started.empty() ? file : started;
}

/** Sets the program and PATH. */
void chooseNode(AppCommand &command, const Variables &options, const std::string &folder, Variables &variables) {
    command.isNode = true;
    command.program = optionNamed("nodejs", options, USUAL_NODE);
    if (command.program == USUAL_NODE) {
        NodeFinder found = NodeFinder::find(folder, variables);
        command.program = std::move(found.program);
        command.problem = std::move(found.problem);
    }
    if (command.program.find('/') != std::string::npos) {
        // For other Nodes that the application starts, and for those of package.json.
        prependToPath(variables, command.program.substr(0, command.program.rfind('/')));
    }
}

/** Runs a script of variables, a Node and its arguments without a shell. */
void runWords(AppCommand &command, const std::vector<std::string> &words, Variables &variables) {
    const auto node = std::find(words.begin(), words.end(), USUAL_NODE);
    for (auto word = words.begin(); word != node; ++word) {
        const std::string name = word->substr(0, word->find('='));
        // The application listens where the bridge awaits it.
        if (name != "PORT" && name != "PASSENGER_SOCKET") {
            variables[name] = word->substr(word->find('=') + 1);
        }
    }
    command.arguments.insert(command.arguments.end(), node + 1, words.end());
}

/** @param path absolute @return its URL (RFC 8089) */
std::string fileUrl(const std::string &path) {
    std::string url = "file://";
    for (const char byte : path) {
        const bool plain = std::isalnum(static_cast<unsigned char>(byte)) != 0 || std::strchr("/._~-", byte) != nullptr;
        url += plain ? std::string(1, byte) : fmt::format("%{:02X}", static_cast<unsigned char>(byte));
    }
    return url;
}

/** What Node loads before the application, as its arguments. Yarn's Plug'n'Play has files in place
 *  of node_modules. */
std::vector<std::string> loadedFirst(const std::string &loader, const std::string &folder,
                                     const std::string &nodeOptions) {
    std::vector<std::string> arguments{"--require", loader};
    if (nodeOptions.find(".pnp.cjs") != std::string::npos) {
        return arguments;
    }
    if (const std::string file = folder + "/.pnp.cjs"; ::access(file.c_str(), R_OK) == 0) {
        arguments.insert(arguments.end(), {"--require", file});
    }
    if (const std::string file = folder + "/.pnp.loader.mjs"; ::access(file.c_str(), R_OK) == 0) {
        arguments.insert(arguments.end(), {"--experimental-loader", fileUrl(file)});
    }
    return arguments;
}

/** As NODE_OPTIONS needs it (node(1)). `yarn run` removes Plug'n'Play's files from there, and takes
 *  the opening quote of a path with it. So quotes are only where Node needs them. */
std::string inNodeOptions(const std::string &argument) {
    if (argument.find_first_of(" \"\\") == std::string::npos) {
        return argument;
    }
    std::string quoted = "\"";
    for (const char byte : argument) {
        quoted += byte == '"' || byte == '\\' ? std::string{'\\', byte} : std::string(1, byte);
    }
    return quoted + '"';
}

/** @param named the program is the PassengerNodejs */
void runByShell(AppCommand &command, const std::string &script, bool named, Variables &variables) {
    // The shell would find another Node, or none.
    if (const int error = errorOf(command.program, variables["PATH"]); named && error != 0) {
        throw IOException(
            fmt::format("PassengerNodejs \"{}\" could not be started: {}; correct the path, or remove the "
                        "directive for the Node that is found without it",
                        command.program, std::strerror(error)));
    }
    std::string &nodeOptions = variables["NODE_OPTIONS"];
    for (const std::string &argument : command.arguments) {
        nodeOptions += nodeOptions.empty() ? "" : " ";
        nodeOptions += inNodeOptions(argument);
    }
    command.program = "/bin/sh";
    command.arguments = {"-c", script};
}

/** @param loader is loaded before the application */
void startNode(AppCommand &command, const Variables &options, const std::string &loader, Variables &variables) {
    const std::string folder = optionNamed("app_root", options, ".");
    chooseNode(command, options, folder, variables);
    command.arguments = loadedFirst(loader, folder, optionNamed("NODE_OPTIONS", variables));
    const std::string file = startupFileOf(options);
    if (file != NodePackage::FILE) {
        command.arguments.push_back(file);
        return;
    }
    // The script is run as npm runs it, without a process of npm and the scripts beside it.
    const NodePackage package = NodePackage::of(folder);
    const std::string &script = package.start;
    if (script.empty()) {
        const std::string problem = NodePackage::problem(folder);
        throw IOException(
            problem.empty()
                ? fmt::format("{}/package.json has no scripts.start: set it, or PassengerStartupFile", folder)
                : fmt::format("{}/package.json cannot be read: {}; correct it", folder, problem));
    }
    command.leavesPrestartOut = !package.prestart.empty();
    variables.emplace("npm_lifecycle_event", "start");
    variables.emplace("npm_package_name", package.name);
    variables.emplace("npm_package_version", package.version);
    // Packages of a workspace are in a folder above.
    std::filesystem::path above;
    for (const auto &part : std::filesystem::path(folder)) {
        above /= part;
        if (const auto programs = above / "node_modules/.bin";
            above == folder || isSafeFromOthers(programs, ::geteuid(), ::getegid())) {
            prependToPath(variables, programs);
        }
    }
    if (const std::vector<std::string> words = wordsOf(script); !words.empty()) {
        runWords(command, words, variables);
    } else {
        runByShell(command, script, optionNamed("nodejs", options, USUAL_NODE) != USUAL_NODE, variables);
    }
}

}  // namespace

std::string optionNamed(const char *name, const std::map<std::string, std::string> &options,
                        const std::string &otherwise) {
    const auto found = options.find(name);
    return found == options.end() || found->second.empty() ? otherwise : found->second;
}

AppCommand AppCommand::fromOptions(const Variables &options, const std::string &library, std::uint16_t port,
                                   const std::string &socketPath) {
    AppCommand command;
    const std::string startCommand = optionNamed("start_command", options);
    const std::string type = optionNamed("app_type", options);
    Variables variables = environmentFor(options, port, socketPath);
    if (!startCommand.empty()) {
        command.program = "/bin/sh";
        command.arguments = {"-c", startCommand};
    } else if (type == "node") {
        startNode(command, options, library + "/node/node_loader.js", variables);
    } else {
        throw IOException(
            "the application has no start command: set PassengerAppStartCommand, or PassengerAppType node");
    }
    command.name = optionNamed("app_root", options) + " (" + (startCommand.empty() ? type : "command") + ")";
    command.environment = listOf(variables);
    return command;
}

bool AppCommand::startsNode(const Variables &options) {
    return optionNamed("app_type", options) == "node" && optionNamed("start_command", options).empty() &&
           (startupFileOf(options) != NodePackage::FILE ||
            !wordsOf(NodePackage::of(optionNamed("app_root", options, ".")).start).empty());
}

void AppCommand::usePort(std::uint16_t port) {
    constexpr std::string_view NAME = "PORT=";
    for (std::string &variable : environment) {
        if (variable.starts_with(NAME)) {
            variable = std::string(NAME) + std::to_string(port);
        }
    }
}

std::string AppCommand::text() const {
    // Messages show the command as the configuration has it, without `sh -c`.
    std::string text = program == "/bin/sh" ? "" : program;
    for (const auto &argument : arguments) {
        if (argument != "-c") {
            text += (text.empty() ? "" : " ") + argument;
        }
    }
    return text;
}

void AppCommand::tell() const {
    if (!problem.empty()) {
        EventLog::write("node.version_missing", problem);
    }
    if (leavesPrestartOut) {
        EventLog::write("node.script_left_out", "script=\"prestart\" remedy=\"run it before the restart\"");
    }
}

}  // namespace Passenger::Bridge
