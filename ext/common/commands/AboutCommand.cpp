#include "commands/AboutCommand.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/PassengerRoot.h"
#include "commands/CommandFailure.h"
#include "commands/ProgramOutput.h"

namespace Passenger {

namespace {

constexpr const char *BUILDER = "lib/passenger/native_builder.rb";
constexpr std::array<std::string_view, 12> SUBJECTS = {"version",
                                                       "root",
                                                       "ruby-libdir",
                                                       "resourcesdir",
                                                       "support-binaries-dir",
                                                       "ruby-command",
                                                       "rubyext-compat-id",
                                                       "includedir",
                                                       "detect-apache2",
                                                       "compiled",
                                                       "custom-packaged",
                                                       "installed-from-release-package"};

std::string root() {
    return passengerRootWith("lib/passenger");
}

int printRuby() {
    const std::string ruby = findProgram({"ruby"});
    if (ruby.empty()) {
        throw CommandFailureException("there is no ruby in PATH (Debian: apt-get install ruby)");
    }
    fmt::print(
        "The following Ruby interpreter was found first in $PATH:\n  Command: {0}\n  Version: {1}\n"
        "  To use in Apache: PassengerRuby {0}\n",
        ruby, ProgramOutput::of(ruby, {"-v"}).text);
    return ExitStatus::DONE;
}

int printCompatibility() {
    const std::string native = passengerRootWith("lib/passenger/base/native.rb") + "/lib/passenger/base/native.rb";
    const auto output =
        ProgramOutput::of("ruby", {"-e", "require ARGV[0]; puts PhusionPassenger::Native.folder_name", native});
    if (!output.succeeded) {
        throw CommandFailureException(fmt::format("ruby does not run: {}", output.text));
    }
    fmt::print("{}\n", output.text);
    return ExitStatus::DONE;
}

int printHttpd() {
    const std::string httpd = findProgram({"apache2", "httpd"});
    if (httpd.empty()) {
        throw CommandFailureException("there is no apache2 and no httpd in PATH (Debian: apt-get install apache2)");
    }
    fmt::print("{}\n{}\n", httpd, ProgramOutput::of(httpd, {"-v"}).text);
    return ExitStatus::DONE;
}

}  // namespace

bool isAboutSubject(const std::string &name) {
    return std::find(SUBJECTS.begin(), SUBJECTS.end(), name) != SUBJECTS.end();
}

int about(const Arguments &arguments) {
    const std::string subject = arguments.operands().empty() ? "" : arguments.operands().front();
    if (!isAboutSubject(subject)) {
        throw CommandFailureException(fmt::format("name a subject: one of {}", fmt::join(SUBJECTS, ", ")));
    }
    if (subject == "version") {
        fmt::print("mod_passenger {}\n", PASSENGER_VERSION);
    } else if (subject == "root" || subject == "resourcesdir" || subject == "support-binaries-dir") {
        fmt::print("{}\n", root());
    } else if (subject == "ruby-libdir") {
        fmt::print("{}/lib\n", root());
    } else if (subject == "includedir") {
        throw CommandFailureException("there are no headers: mod_passenger has no module for nginx");
    } else if (subject == "ruby-command") {
        return printRuby();
    } else if (subject == "rubyext-compat-id") {
        return printCompatibility();
    } else if (subject == "detect-apache2") {
        return printHttpd();
    } else {
        return subject == "installed-from-release-package" ? ExitStatus::FAILED : ExitStatus::DONE;
    }
    return ExitStatus::DONE;
}

int buildNativeSupport(const Arguments &arguments) {
    const std::string ruby = arguments.has("ruby") ? arguments.value("ruby") : "ruby";
    const auto output = ProgramOutput::of(ruby, {passengerRootWith(BUILDER) + "/" + BUILDER});
    // The builder prints nothing if the code is up to date, and why it cannot build it.
    if (!output.succeeded || output.text.starts_with("Without native code")) {
        throw CommandFailureException(output.text);
    }
    fmt::print("{}\n", output.text.empty() ? fmt::format("The native code for {} is up to date.", ruby) : output.text);
    return ExitStatus::DONE;
}

}  // namespace Passenger
