#include "commands/InstallCheck.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <map>
#include <optional>

#include <nlohmann/json.hpp>

#include "base/FileContent.h"
#include "base/PassengerRoot.h"
#include "base/Split.h"
#include "commands/AgentFinder.h"
#include "commands/AppCheck.h"
#include "commands/CommandFailure.h"
#include "commands/ConfiguredApps.h"
#include "commands/FolderAccess.h"
#include "commands/JsonResult.h"
#include "commands/ProgramOutput.h"
#include "commands/Terminal.h"

namespace Passenger {

namespace {

using Level = Finding::Level;
using Apps = std::map<std::string, AppStatus>;

std::string firstLineOf(const std::string &path) {
    std::string text = fileContent(path);
    text.erase(std::find_if(text.begin(), text.end(), [](char c) { return c == '\n' || c == '\0'; }), text.end());
    return text;
}

Finding checkKernel() {
    constexpr int OLDEST[] = {5, 9};
    utsname names{};
    ::uname(&names);
    int major = 0;
    int minor = 0;
    std::sscanf(names.release, "%d.%d", &major, &minor);
    if (major < OLDEST[0] || (major == OLDEST[0] && minor < OLDEST[1])) {
        return {Level::ERROR, "Linux", fmt::format("{} is too old", names.release), "install Linux 5.9 or newer"};
    }
    return {Level::FINE, "Linux", names.release};
}

Finding checkFiles() {
    try {
        const std::string root = passengerRootWith("passenger-agent");
        if (::access((root + "/passenger-agent").c_str(), X_OK) != 0) {
            return {Level::ERROR, "installation", fmt::format("{}/passenger-agent cannot be executed", root),
                    fmt::format("chmod 755 {}/passenger-agent", root)};
        }
        if (::access((root + "/lib/passenger/spawn/spawn_server.rb").c_str(), R_OK) != 0) {
            return {Level::ERROR, "installation", fmt::format("{}/lib/passenger is incomplete", root),
                    "install the package again (or make install)"};
        }
        // access(2) tells root nothing of the users that run the loaders.
        if (const auto closed = closedFolder(root + "/lib/passenger/spawn", ::geteuid() == 0 ? "nobody" : "")) {
            return {Level::ERROR, "installation", fmt::format("users may not enter {}: no application starts", *closed),
                    fmt::format("chmod o+x {}; chmod -R o+rX {}", shellWord(*closed), shellWord(root))};
        }
        return {Level::FINE, "installation", root};
    } catch (const std::exception &error) {
        return {Level::ERROR, "installation", error.what(), "install the package again (or make install)"};
    }
}

Finding checkInterpreter(const char *subject, const std::vector<std::string> &names, const char *package, bool needed) {
    const std::string program = findProgram(names);
    if (program.empty()) {
        return {needed ? Level::ERROR : Level::FINE, subject, needed ? "is not in PATH" : "is not installed",
                needed ? fmt::format("apt-get install {}", package) : ""};
    }
    const auto output = ProgramOutput::of(program, {"--version"});
    if (!output.succeeded) {
        return {Level::ERROR, subject, fmt::format("{} does not run: {}", program, output.firstLine()),
                fmt::format("apt-get install --reinstall {}", package)};
    }
    return {Level::FINE, subject, fmt::format("{}: {}", program, output.firstLine())};
}

/** Whether Node applications take requests themselves. Nothing: there is no Node. */
std::optional<Finding> checkNodeCode() {
    const std::string program = findProgram({"node", "nodejs"});
    if (program.empty()) {
        return std::nullopt;
    }
    constexpr const char *SUBJECT = "native code for Node";
    const std::string root = passengerRootWith("lib/passenger");
    const std::string file = root + "/native/node/passenger_native.node";
    if (::access(file.c_str(), R_OK) != 0) {
        return Finding{Level::WARNING, SUBJECT, fmt::format("{} is missing: applications run behind a bridge", file),
                       "apt-get install libnode-dev; configure and build again"};
    }
    // Throws for another interface, too.
    constexpr const char *LOAD =
        "try { require(process.argv[1]).load(process.argv[2]); } "
        "catch (error) { console.log(error.message); process.exit(1); }";
    const auto output = ProgramOutput::of(program, {"-e", LOAD, root + "/lib/passenger/node/native.js", file});
    if (!output.succeeded) {
        return Finding{Level::WARNING, SUBJECT, fmt::format("{} does not load it: {}", program, output.firstLine()),
                       "install the package again (or make install); Node from version 16 on; or SetEnv "
                       "PASSENGER_NATIVE off"};
    }
    return Finding{Level::FINE, SUBJECT, file};
}

void checkLimits(const RunningAgent &agent, std::vector<Finding> &findings) {
    constexpr unsigned long ENOUGH = 4096;
    const std::string limit = afterLabel(fileContent(fmt::format("/proc/{}/limits", agent.poolPid)), "Max open files");
    if (limit.empty()) {
        return;
    }
    const unsigned long number = std::strtoul(limit.c_str(), nullptr, 10);
    if (number < ENOUGH) {
        findings.push_back({Level::WARNING, "descriptors", fmt::format("the agent may open {} files", number),
                            "raise LimitNOFILE of httpd's systemd unit, on Debian also APACHE_ULIMIT_MAX_FILES in "
                            "/etc/apache2/envvars, and restart httpd"});
    } else {
        findings.push_back({Level::FINE, "descriptors", fmt::format("the agent may open {} files", number)});
    }
}

void checkMandatoryAccess(const RunningAgent *agent, std::vector<Finding> &findings) {
    if (firstLineOf("/sys/fs/selinux/enforce") == "1") {
        findings.push_back({Level::WARNING, "SELinux", "is enforcing: it may keep httpd from starting applications",
                            "ausearch -m avc -ts recent shows what it has refused; audit2allow makes a rule"});
    }
    if (agent == nullptr) {
        return;
    }
    const std::string profile = firstLineOf(fmt::format("/proc/{}/attr/apparmor/current", agent->httpdPid));
    if (profile.ends_with("(enforce)")) {
        findings.push_back({Level::WARNING, "AppArmor", fmt::format("confines httpd: {}", singleLine(profile)),
                            "journalctl -k -g apparmor shows what it has refused; aa-complain PROFILE lets it"});
    }
}

/** @param apps gets those that agents know */
void checkAgents(const AgentFinder &finder, std::vector<Finding> &findings, Apps &apps) {
    const auto agents = finder.list();
    checkMandatoryAccess(agents.empty() ? nullptr : &agents.front(), findings);
    if (agents.empty()) {
        findings.push_back({Level::WARNING, "agent",
                            fmt::format("none is running, as far as {} shows", finder.folder()),
                            "start httpd, or name the folder of PassengerInstanceRegistryDir by --registry-dir"});
        return;
    }
    for (const RunningAgent &agent : agents) {
        const bool same = agent.version == PASSENGER_VERSION;
        findings.push_back(
            {same ? Level::FINE : Level::WARNING, fmt::format("agent {}", agent.name),
             fmt::format("version {}, pid {}", singleLine(agent.version), agent.watchdogPid),
             same ? ""
                  : fmt::format("this command has the version {}: an agent that only finishes its requests ends by "
                                "itself, else `apachectl configtest`, and reload httpd",
                                PASSENGER_VERSION)});
        checkLimits(agent, findings);
        try {
            for (const AppStatus &app : agent.connect().status().apps) {
                apps.insert_or_assign(app.name, app);
            }
        } catch (const std::exception &error) {
            findings.push_back(
                {Level::WARNING, fmt::format("agent {}", agent.name), error.what(), "ask as root: sudo"});
        }
    }
}

const char *nameOf(Level level) {
    switch (level) {
        case Level::ERROR: return "error";
        case Level::WARNING: return "warning";
        default: return "ok";
    }
}

const char *colourOf(Level level) {
    switch (level) {
        case Level::ERROR: return "\x1b[31m";
        case Level::WARNING: return "\x1b[33m";
        default: return "\x1b[32m";
    }
}

auto countOf(const std::vector<Finding> &findings, Level level) {
    return std::count_if(findings.begin(), findings.end(),
                         [level](const Finding &finding) { return finding.level == level; });
}

}  // namespace

std::vector<Finding> checkInstall(const Arguments &arguments) {
    AppCheck appCheck;
    std::vector<Finding> findings{checkKernel(), checkFiles()};
    findings.push_back(checkInterpreter("Ruby", {"ruby"}, "ruby", true));
    if (findings.back().level == Level::FINE && findings[1].level == Level::FINE) {
        const auto native = appCheck.checkNativeCode("native code for Ruby", "ruby");
        findings.insert(findings.end(), native.begin(), native.end());
    }
    findings.push_back(checkInterpreter("Node", {"node", "nodejs"}, "nodejs", false));
    if (findings[1].level == Level::FINE) {
        if (auto native = checkNodeCode()) {
            findings.push_back(*native);
        }
    }
    findings.push_back(checkInterpreter("Python", {"python3", "python"}, "python3", false));
    Apps apps;
    if (!arguments.has("no-validate-apache2")) {
        ConfiguredApps configured = ConfiguredApps::of(arguments);
        std::move(configured.findings.begin(), configured.findings.end(), std::back_inserter(findings));
        for (const AppStatus &app : configured.apps) {
            apps.insert_or_assign(app.name, app);
        }
    }
    // What an agent knows of an application is more.
    checkAgents(AgentFinder(arguments), findings, apps);
    for (const auto &[name, app] : apps) {
        const auto found = appCheck.check(app);
        findings.insert(findings.end(), found.begin(), found.end());
    }
    return findings;
}

int statusOf(const std::vector<Finding> &findings) {
    if (countOf(findings, Level::ERROR) > 0) {
        return ExitStatus::FAILED;
    }
    return countOf(findings, Level::WARNING) > 0 ? ExitStatus::WARNINGS : ExitStatus::DONE;
}

std::string findingsForm(const std::vector<Finding> &findings, bool colours) {
    std::string text;
    for (const Finding &finding : findings) {
        const std::string mark = colours ? fmt::format("{}{}\x1b[0m", colourOf(finding.level), nameOf(finding.level))
                                         : std::string(nameOf(finding.level));
        text += fmt::format(" * {}: {}: {}\n", singleLine(finding.subject), mark, singleLine(finding.text));
        if (!finding.remedy.empty()) {
            text += fmt::format("     {}\n", singleLine(finding.remedy));
        }
    }
    const auto errors = countOf(findings, Level::ERROR);
    const auto warnings = countOf(findings, Level::WARNING);
    return text + (errors + warnings == 0 ? "\nEverything is in order.\n"
                                          : fmt::format("\n{} error(s), {} warning(s).\n", errors, warnings));
}

std::string findingsJson(const std::vector<Finding> &findings) {
    auto document = nlohmann::ordered_json::array();
    for (const Finding &finding : findings) {
        document.push_back({{"subject", finding.subject},
                            {"level", nameOf(finding.level)},
                            {"text", finding.text},
                            {"remedy", finding.remedy}});
    }
    return JsonResult::text(document);
}

}  // namespace Passenger
