#include "bridge/AppCommand.h"

#include <unistd.h>

#include <string_view>

#include "base/Exceptions.h"

namespace Passenger::Bridge {

namespace {

using Variables = std::map<std::string, std::string>;

constexpr std::string_view VARIABLE_PREFIX = "env:";

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

std::vector<std::string> environmentFor(const Variables &options, std::uint16_t port, const std::string &socketPath) {
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
    variables["PORT"] = std::to_string(port);
    variables["PASSENGER_SOCKET"] = socketPath;
    std::vector<std::string> result;
    result.reserve(variables.size());
    for (const auto &[name, value] : variables) {
        result.push_back(name + "=" + value);
    }
    return result;
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
    if (!startCommand.empty()) {
        command.program = "/bin/sh";
        command.arguments = {"-c", startCommand};
    } else if (type == "node") {
        command.program = optionNamed("nodejs", options, "node");
        command.arguments = {"--require", library + "/node/node_loader.js",
                             optionNamed("startup_file", options, "app.js")};
    } else if (type == "wsgi") {
        command.program = optionNamed("python", options, "python3");
        command.arguments = {library + "/python/wsgi_loader.py",
                             optionNamed("startup_file", options, "passenger_wsgi.py")};
        command.isOurLoader = true;
    } else {
        throw IOException(
            "the application has no start command: set PassengerAppStartCommand, or PassengerAppType wsgi or node");
    }
    command.name = optionNamed("app_root", options) + " (" + (startCommand.empty() ? type : "command") + ")";
    command.environment = environmentFor(options, port, socketPath);
    return command;
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

}  // namespace Passenger::Bridge
