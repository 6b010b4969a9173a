#include "commands/ConfiguredApps.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "commands/FolderAccess.h"
#include "commands/HttpdAnswer.h"
#include "commands/Terminal.h"
#include "control/ExplainWords.h"

namespace Passenger {

namespace {

using Json = nlohmann::json;
using Level = Finding::Level;

/** What is worth saying about the application beside AppCheck's findings. */
void note(const Json &app, std::vector<Finding> &findings) {
    const std::string subject = fmt::format("application {}", singleLine(app.at("name").get<std::string>()));
    const std::string user = app.at("user_note").get<std::string>();
    const std::string remedy = app.at("user_remedy").get<std::string>();
    const std::string documents = app.value("document_root", "");
    struct stat status {};
    if (!documents.empty() && ::stat(documents.c_str(), &status) != 0 && errno == ENOENT) {
        findings.push_back({Level::WARNING, subject,
                            fmt::format("its DocumentRoot {} does not exist: a <Directory> section for it has no "
                                        "effect, and httpd may answer 403",
                                        singleLine(documents)),
                            fmt::format("mkdir {}", singleLine(documents))});
    }
    // What is missing is AppCheck's finding.
    const bool isThere = app.at("problem").get<std::string>().empty();
    if (isThere && !remedy.empty()) {
        findings.push_back({Level::WARNING, subject, singleLine(user), singleLine(remedy)});
    }
}

AppStatus appOf(const Json &app) {
    AppStatus result;
    const auto text = [&app](const char *key) { return app.at(key).get<std::string>(); };
    result.name = text("name");
    result.root = text("root");
    result.environment = text("environment");
    result.type = text("type");
    result.startupFile = text("startup_file");
    result.interpreter = text("interpreter");
    result.user = text("user");
    return result;
}

Finding findingOf(const Json &url, const std::string &httpdUser) {
    const auto text = [&url](const char *key) { return url.at(key).get<std::string>(); };
    const std::string root = text("document_root");
    const auto closed = closedFolder(root, httpdUser);
    return {
        closed ? Level::ERROR : Level::WARNING, singleLine(text("url")), singleLine(text("reason")),
        closed ? openingRemedy("o+x", *closed) : fmt::format("passenger-config explain {}", singleLine(text("url")))};
}

}  // namespace

ConfiguredApps ConfiguredApps::of(const Arguments &arguments) {
    constexpr const char *SUBJECT = "httpd's configuration";
    const std::string program = HttpdAnswer::program(arguments);
    if (program.empty()) {
        return {{}, {{Level::ERROR, "httpd", "is not in PATH", "apt-get install apache2, or name it by --httpd"}}};
    }
    const HttpdAnswer answer = HttpdAnswer::of(program, ExplainWords::ALL, arguments);
    const std::string test =
        fmt::format("{} -t{}", program, arguments.has("config") ? " -f " + arguments.value("config") : "");
    if (answer.output.cutOff) {
        return {{},
                {{Level::WARNING, SUBJECT, fmt::format("{} takes too long to read it, or prints too much", program),
                  test}}};
    }
    if (!answer.output.succeeded) {
        return {{}, {{Level::ERROR, SUBJECT, answer.output.firstLine(), test}}};
    }
    if (answer.text.empty()) {
        return {{},
                {{Level::ERROR, SUBJECT, "does not load mod_passenger",
                  "add LoadModule passenger_module PATH/mod_passenger.so, and restart httpd"}}};
    }
    ConfiguredApps result;
    try {
        const Json document = Json::parse(answer.text);
        if (document.contains("problem")) {
            return {{},
                    {{Level::WARNING, SUBJECT,
                      fmt::format("its applications cannot be listed: {}",
                                  singleLine(document.at("problem").get<std::string>())),
                      ::geteuid() == 0 ? test : "ask as root: sudo"}}};
        }
        for (const Json &one : document.at("applications")) {
            result.apps.push_back(appOf(one.at("application")));
            note(one.at("application"), result.findings);
        }
        result.findings.push_back({Level::FINE, SUBJECT,
                                   fmt::format("loads mod_passenger, and has {} application{}", result.apps.size(),
                                               result.apps.size() == 1 ? "" : "s")});
        const std::string user = document.at("httpd_user").get<std::string>();
        for (const Json &one : document.at("unserved")) {
            result.findings.push_back(findingOf(one, user));
        }
    } catch (const Json::exception &error) {
        result.findings.push_back(
            {Level::WARNING, SUBJECT,
             fmt::format("httpd's answer is malformed, perhaps by code that a .htaccess file runs: {}",
                         singleLine(error.what())),
             test});
    }
    return result;
}

}  // namespace Passenger
