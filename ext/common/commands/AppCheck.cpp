#include "commands/AppCheck.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

#include <fmt/format.h>

#include "base/PassengerRoot.h"
#include "commands/FolderAccess.h"
#include "commands/ProgramOutput.h"
#include "commands/SafeProgram.h"
#include "commands/Terminal.h"

namespace Passenger {

namespace {

using Level = Finding::Level;

const char *directiveOf(const AppStatus &app) {
    return app.type == "rack" ? "PassengerRuby" : app.type == "node" ? "PassengerNodejs" : "PassengerPython";
}

const char *packageOf(const AppStatus &app) {
    return app.type == "rack" ? "ruby" : app.type == "node" ? "nodejs" : "python3";
}

/** By its name, with or without a version: code that .htaccess runs may have named any program. */
bool isInterpreter(const std::string &name) {
    const std::string plain = name.substr(0, name.find_first_of("0123456789"));
    const bool versioned = name.find_first_not_of("0123456789.", plain.size()) == std::string::npos;
    return versioned && (plain == "ruby" || plain == "node" || plain == "nodejs" || plain == "python");
}

/** safeProgram(), and for root an interpreter only. */
std::string safeToRun(const std::string &program) {
    std::string path = safeProgram(program);
    const bool runs = ::geteuid() != 0 || isInterpreter(path.substr(path.rfind('/') + 1));
    return runs ? path : std::string();
}

/** @return whether the folder is there, and its user may enter it */
bool checkFolder(const AppStatus &app, const std::string &subject, std::vector<Finding> &findings) {
    const std::string root = singleLine(app.root);
    struct stat status {};
    if (::stat(app.root.c_str(), &status) != 0 && errno == ENOENT) {
        findings.push_back(
            {Level::ERROR, subject, fmt::format("its folder {} does not exist", root),
             fmt::format("mkdir -p {}/public and deploy it, or correct DocumentRoot or PassengerAppRoot", root)});
        return false;
    }
    if (const auto folder = closedFolder(app.root, app.user)) {
        findings.push_back({Level::ERROR, subject,
                            fmt::format("its user {} may not enter {}", singleLine(app.user), singleLine(*folder)),
                            openingRemedy("o+x", *folder)});
        return false;
    }
    findings.push_back(
        {Level::FINE, subject, app.user.empty() ? root : fmt::format("{} may enter {}", singleLine(app.user), root)});
    return true;
}

void checkStartupFile(const AppStatus &app, const std::string &subject, std::vector<Finding> &findings) {
    const std::string path =
        app.startupFile.starts_with('/') ? app.startupFile : fmt::format("{}/{}", app.root, app.startupFile);
    const std::string shown = singleLine(path);
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        const bool missing = errno == ENOENT;
        findings.push_back({missing ? Level::ERROR : Level::WARNING, subject,
                            fmt::format("its startup file {} cannot be looked at: {}", shown, std::strerror(errno)),
                            missing ? "deploy it, or name another one by PassengerStartupFile" : "ask as root: sudo"});
    } else if (!isReadable(path, app.user)) {
        findings.push_back({Level::ERROR, subject,
                            fmt::format("its user {} may not read {}", singleLine(app.user), shown),
                            openingRemedy("o+r", path)});
    } else {
        findings.push_back({Level::FINE, subject, fmt::format("startup file {}", shown)});
    }
}

/** Runs the program the first time that it is asked for. */
ProgramOutput ask(std::map<std::string, ProgramOutput> &known, const std::string &program,
                  const std::vector<std::string> &arguments) {
    auto found = known.find(program);
    if (found == known.end()) {
        found = known.emplace(program, ProgramOutput::of(program, arguments, ProgramOutput::Trust::NONE)).first;
    }
    return found->second;
}

}  // namespace

std::vector<Finding> AppCheck::checkNativeCode(const std::string &subject, const std::string &ruby) {
    const std::string root = passengerRootWith("lib/passenger");
    const ProgramOutput output = ask(
        nativeFolders_, ruby,
        {"-e", "require ARGV[0]; puts PhusionPassenger::Native.folder_name", root + "/lib/passenger/base/native.rb"});
    if (!output.succeeded) {
        return {};
    }
    const std::string file = fmt::format("{}/native/{}/passenger_native.so", root, output.firstLine());
    if (::access(file.c_str(), R_OK) != 0) {
        return {{Level::WARNING, subject, fmt::format("native code {} is missing: instances are slower", file),
                 fmt::format("apt-get install ruby-dev make gcc; passenger-config build-native-support --ruby {}",
                             singleLine(ruby))}};
    }
    return {{Level::FINE, subject, fmt::format("native code {}", file)}};
}

void AppCheck::checkInterpreter(const AppStatus &app, const std::string &subject, std::vector<Finding> &findings) {
    const bool named = app.interpreter.find('/') != std::string::npos;
    // A process looks for it from the application's folder.
    const std::string program =
        named ? (std::filesystem::path(app.root) / app.interpreter).string() : findProgram({app.interpreter});
    const std::string shown = singleLine(app.interpreter);
    if (program.empty() || ::access(program.c_str(), X_OK) != 0) {
        findings.push_back(
            {Level::ERROR, subject,
             fmt::format("its interpreter {} {}", shown, program.empty() ? "is not in PATH" : std::strerror(errno)),
             named ? fmt::format("correct {}, or install {}", directiveOf(app), shown)
                   : fmt::format("apt-get install {}, or name its path by {}", packageOf(app), directiveOf(app))});
        return;
    }
    const std::string executed = safeToRun(program);
    if (executed.empty()) {
        findings.push_back(
            {Level::FINE, subject,
             fmt::format("interpreter {}; root runs only ruby, node and python, and only files of its own", shown)});
        return;
    }
    const ProgramOutput output = ask(versions_, executed, {"--version"});
    const std::string version = output.firstLine();
    if (!output.succeeded) {
        findings.push_back({Level::ERROR, subject, fmt::format("its interpreter {} does not run: {}", shown, version),
                            named ? fmt::format("correct {}, or install {} again", directiveOf(app), shown)
                                  : fmt::format("apt-get install --reinstall {}", packageOf(app))});
        return;
    }
    findings.push_back({Level::FINE, subject, fmt::format("interpreter {}: {}", shown, version)});
    if (app.type == "wsgi" || app.type == "asgi") {
        const std::string file = passengerRootWith("lib/passenger") + "/native/python/passenger_native.abi3.so";
        const bool missing = ::access(file.c_str(), R_OK) != 0;
        findings.push_back({missing ? Level::WARNING : Level::FINE, subject,
                            fmt::format("native code {}{}", file, missing ? " is missing" : ""),
                            missing ? "install the package again, or python3-dev, and configure and build again" : ""});
    }
    if (app.type == "rack") {
        const auto native = checkNativeCode(subject, executed);
        findings.insert(findings.end(), native.begin(), native.end());
    }
}

std::vector<Finding> AppCheck::check(const AppStatus &app) {
    const std::string subject = fmt::format("application {}", singleLine(app.name));
    std::vector<Finding> findings;
    const bool fails = app.state == "failed" || app.state == "deploy-failed";
    if (app.failure && (fails || app.crashLooping)) {
        findings.push_back({fails ? Level::ERROR : Level::WARNING, subject,
                            fmt::format("{}: {}", fails ? "does not start" : "serves, but had a failure lately",
                                        singleLine(app.failure->summary)),
                            app.failure->remedy.empty()
                                ? fmt::format("passenger-config report {}", singleLine(app.failure->report))
                                : singleLine(app.failure->remedy)});
    }
    if (!checkFolder(app, subject, findings) || app.interpreter.empty()) {
        return findings;
    }
    if (!app.startupFile.empty()) {
        checkStartupFile(app, subject, findings);
    }
    checkInterpreter(app, subject, findings);
    return findings;
}

}  // namespace Passenger
