#include "commands/ExplainCommand.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/MarkupText.h"
#include "commands/CommandFailure.h"
#include "commands/HttpdAnswer.h"
#include "commands/JsonResult.h"
#include "commands/Terminal.h"

namespace Passenger {

namespace {

using Json = nlohmann::ordered_json;

std::string urlOf(const Arguments &arguments) {
    if (arguments.operands().empty()) {
        throw CommandFailureException("name a URL: passenger-config explain http://HOST/PATH");
    }
    const std::string &url = arguments.operands().front();
    return url.find("://") == std::string::npos ? "http://" + url : url;
}

Json ask(const Arguments &arguments) {
    const std::string program = HttpdAnswer::program(arguments);
    if (program.empty()) {
        throw CommandFailureException("there is no apache2ctl and no httpd in PATH: name one with --httpd PROGRAM");
    }
    const HttpdAnswer answer = HttpdAnswer::of(program, urlOf(arguments), arguments);
    if (answer.text.empty() && answer.output.succeeded) {
        throw CommandFailureException(
            fmt::format("{} loads no mod_passenger that explains URLs: see LoadModule, and name the configuration with "
                        "--config. It has printed: {}",
                        program, singleLine(answer.output.text)));
    }
    if (answer.text.empty()) {
        throw CommandFailureException(
            fmt::format("{} has not read httpd's configuration to its end: {}", program,
                        answer.output.text.empty() ? "it printed nothing" : printable(answer.output.text)));
    }
    return Json::parse(answer.text);
}

std::string textOf(const Json &value) {
    if (!value.is_array()) {
        return singleLine(value.is_string() ? value.get<std::string>() : value.dump());
    }
    std::string text;
    for (const Json &one : value) {
        text += (text.empty() ? "" : ", ") + textOf(one);
    }
    return text;
}

void printRow(const char *name, const std::string &value) {
    if (!value.empty()) {
        fmt::print("{:<14}{}\n", name, value);
    }
}

std::string placeOf(const Json &place) {
    return fmt::format("{}:{}", textOf(place.at("file")), place.at("line").get<int>());
}

void printHost(const Json &answer) {
    const Json &host = answer.at("virtual_host");
    const std::string where =
        host.at("main_server").get<bool>() ? "the main server, outside of any <VirtualHost>" : placeOf(host);
    printRow("URL", textOf(answer.at("url")));
    printRow("Virtual host", fmt::format("{} ({})", textOf(host.at("name")), where));
    printRow("File name", textOf(answer.at("file_name")));
}

void printApp(const Json &app) {
    const auto text = [&](const char *key) { return textOf(app.at(key)); };
    const std::string root = text("root");
    const std::string target = text("real_root");
    printRow("Application", text("name"));
    printRow("App root", target == root ? root : fmt::format("{} -> {}", root, target));
    printRow("Base URI", text("base_uri"));
    printRow("Startup file", text("startup_file"));
    printRow("Start command", text("start_command"));
    printRow("Type", text("type"));
    printRow("Interpreter", text("interpreter"));
    printRow("Environment", text("environment"));
    const std::string note = text("user_note");
    const std::string user = text("user");
    printRow("User", user.empty()
                         ? note
                         : fmt::format("{}, group {}{}", user, text("group"), note.empty() ? "" : " (" + note + ")"));
    printRow("Problem", text("problem"));
}

void printSettings(const Json &settings, bool all) {
    std::size_t width = 0;
    const auto isShown = [all](const Json &setting) { return all || !setting.at("set_at").empty(); };
    for (const Json &setting : settings) {
        width =
            !isShown(setting) ? width : std::max(width, setting.at("directive").get_ref<const std::string &>().size());
    }
    fmt::print("\nSettings in force{}:\n", all ? "" : ", without defaults");
    for (const Json &setting : settings) {
        std::string places;
        for (const Json &place : setting.at("set_at")) {
            places += (places.empty() ? "" : ", ") + placeOf(place);
        }
        if (isShown(setting)) {
            fmt::print("  {:<{}}  {}  ({})\n", textOf(setting.at("directive")), width, textOf(setting.at("value")),
                       places.empty() ? "default" : places);
        }
    }
}

bool isServed(const Json &answer) {
    return answer.at("served").get<bool>() && answer.at("application").at("problem").get<std::string>().empty();
}

int print(const Json &answer, const Arguments &arguments) {
    if (answer.contains("problem")) {
        throw CommandFailureException(fmt::format("{}: {}", textOf(answer.at("url")), textOf(answer.at("problem"))));
    }
    if (arguments.has("json")) {
        fmt::print("{}", JsonResult::text(answer));
    } else {
        printHost(answer);
        if (answer.at("served").get<bool>()) {
            printApp(answer.at("application"));
        } else {
            printRow("Application", "none: " + textOf(answer.at("reason")));
        }
        printSettings(answer.at("settings"), arguments.has("all"));
    }
    return isServed(answer) ? ExitStatus::DONE : ExitStatus::NOT_SERVED;
}

}  // namespace

int explainUrl(const Arguments &arguments) {
    try {
        return print(ask(arguments), arguments);
    } catch (const Json::exception &error) {
        throw CommandFailureException(fmt::format(
            "httpd's answer is malformed, perhaps by code that a .htaccess file runs: {}", singleLine(error.what())));
    }
}

}  // namespace Passenger
