#include "commands/AboutCommand.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/Lists.h"
#include "base/PassengerRoot.h"
#include "commands/CommandFailure.h"
#include "commands/JsonResult.h"
#include "commands/ProgramOutput.h"
#include "commands/SafeProgram.h"
#include "commands/Terminal.h"

namespace Passenger {

namespace {

constexpr const char *BUILDER = "lib/passenger/native_builder.rb";
/** A compiler on a busy or small machine needs many times what it needs alone. */
constexpr std::chrono::seconds BUILD_PATIENCE{600};

std::string root() {
    return passengerRootWith("lib/passenger");
}

/** What is known of a subject. */
struct Fact {
    /** For people. */
    std::string text;
    /** For programs; nothing: it has no value but the exit status. */
    std::string value;
    int status = ExitStatus::DONE;
};

Fact rubyFact() {
    const std::string ruby = findProgram({"ruby"});
    if (ruby.empty()) {
        throw CommandFailureException("there is no ruby in PATH (Debian: apt-get install ruby)");
    }
    return {fmt::format("The following Ruby interpreter was found first in $PATH:\n  Command: {0}\n  Version: {1}\n"
                        "  To use in Apache: PassengerRuby {0}\n",
                        ruby, ProgramOutput::of(ruby, {"-v"}).text),
            ruby};
}

Fact compatibilityFact() {
    const std::string native = passengerRootWith("lib/passenger/base/native.rb") + "/lib/passenger/base/native.rb";
    const auto output =
        ProgramOutput::of("ruby", {"-e", "require ARGV[0]; puts PhusionPassenger::Native.folder_name", native});
    if (!output.succeeded) {
        throw CommandFailureException(fmt::format("ruby does not run: {}", output.text));
    }
    return {output.text + "\n", output.text};
}

Fact httpdFact() {
    const std::string httpd = findProgram({"apache2", "httpd"});
    if (httpd.empty()) {
        throw CommandFailureException("there is no apache2 and no httpd in PATH (Debian: apt-get install apache2)");
    }
    return {fmt::format("{}\n{}\n", httpd, ProgramOutput::of(httpd, {"-v"}).text), httpd};
}

Fact versionFact() {
    return {fmt::format("mod_passenger {}\n", PASSENGER_VERSION), PASSENGER_VERSION};
}

Fact folderFact(const std::string &folder) {
    return {folder + "\n", folder};
}

Fact statusFact(int status) {
    return {"", "", status};
}

struct Subject {
    std::string_view name;
    Fact (*find)();
};

constexpr Subject SUBJECTS[] = {
    {"version", versionFact},
    {"root", [] { return folderFact(root()); }},
    {"ruby-libdir", [] { return folderFact(root() + "/lib"); }},
    {"resourcesdir", [] { return folderFact(root()); }},
    {"support-binaries-dir", [] { return folderFact(root()); }},
    {"ruby-command", rubyFact},
    {"rubyext-compat-id", compatibilityFact},
    {"includedir",
     []() -> Fact { throw CommandFailureException("there are no headers: mod_passenger has no module for nginx"); }},
    {"detect-apache2", httpdFact},
    {"compiled", [] { return statusFact(ExitStatus::DONE); }},
    {"custom-packaged", [] { return statusFact(ExitStatus::DONE); }},
    {"installed-from-release-package", [] { return statusFact(ExitStatus::FAILED); }},
};

/** Instances of all users load what root builds. */
std::string rubyToRun(const std::string &ruby, const std::string &builder) {
    const std::string program = ruby.find('/') == std::string::npos ? findProgram({ruby}) : ruby;
    if (program.empty() || ::access(program.c_str(), X_OK) != 0) {
        throw CommandFailureException(fmt::format("{} cannot be executed: {}", singleLine(ruby),
                                                  program.empty() ? "it is not in PATH" : std::strerror(errno)));
    }
    std::string safe = safeProgram(program);
    if (safe.empty()) {
        throw CommandFailureException(fmt::format(
            "others than root can change {0}, so root does not run it. If it is root's, chmod go-w it and the folders "
            "on the way to it. Else build as its user, into a folder of this user: sudo -u USER {0} {1} FOLDER; then "
            "write SetEnv PASSENGER_NATIVE FOLDER in the virtual host",
            singleLine(program), builder));
    }
    return safe;
}

}  // namespace

bool isAboutSubject(const std::string &name) {
    return std::ranges::find(SUBJECTS, name, &Subject::name) != std::end(SUBJECTS);
}

int about(const Arguments &arguments) {
    const std::string subject = arguments.operands().empty() ? "" : arguments.operands().front();
    const auto *const known = std::ranges::find(SUBJECTS, subject, &Subject::name);
    if (known == std::end(SUBJECTS)) {
        throw CommandFailureException(
            fmt::format("name a subject: one of {}", fmt::join(listOf(SUBJECTS, &Subject::name), ", ")));
    }
    const Fact fact = known->find();
    if (arguments.has("json")) {
        const bool isYes = fact.status == ExitStatus::DONE;
        const auto value = fact.value.empty() ? nlohmann::ordered_json(isYes) : nlohmann::ordered_json(fact.value);
        fmt::print("{}", JsonResult::done({{"subject", subject}, {"value", value}}, fact.status));
    } else {
        fmt::print("{}", fact.text);
    }
    return fact.status;
}

int buildNativeSupport(const Arguments &arguments) {
    const std::string ruby = arguments.has("ruby") ? arguments.value("ruby") : "ruby";
    const std::string builder = passengerRootWith(BUILDER) + "/" + BUILDER;
    const auto output =
        ProgramOutput::of(rubyToRun(ruby, builder), {builder}, ProgramOutput::Trust::FULL, BUILD_PATIENCE);
    if (output.cutOff) {
        throw CommandFailureException(
            fmt::format("{} has not built the native code within {} s, and was ended", ruby, BUILD_PATIENCE.count()));
    }
    // The builder prints nothing if the code is up to date, and why it cannot build it.
    if (!output.succeeded || output.text.starts_with("Without native code")) {
        throw CommandFailureException(output.text.empty() ? fmt::format("{} failed, and printed no reason", ruby)
                                                          : output.text);
    }
    const bool isNew = !output.text.empty();
    if (arguments.has("json")) {
        fmt::print("{}", JsonResult::done({{"ruby", ruby}, {"built", isNew}}));
    } else {
        fmt::print("{}\n", isNew ? output.text : fmt::format("The native code for {} is up to date.", ruby));
    }
    return ExitStatus::DONE;
}

}  // namespace Passenger
