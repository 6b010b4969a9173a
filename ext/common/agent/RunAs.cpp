#include "agent/RunAs.h"

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/FileRights.h"
#include "base/SeccompMode.h"
#include "base/Split.h"
#include "base/SystemUserDatabase.h"
#include "base/UserSwitch.h"
#include "base/WholeNumber.h"
#include "confinement/Confinement.h"

namespace Passenger {

namespace {

constexpr int NOT_EXECUTED = 127;
constexpr int EXIT_USAGE = 2;
/** USER, GROUP and PROGRAM. */
constexpr std::size_t LEAST_ARGUMENTS = 3;
/** --limits, MODE and PORTS. */
constexpr std::size_t ARGUMENTS_OF_LIMITS = 3;

int fail(int status, const std::string &problem) {
    fmt::print(stderr, "passenger-agent: {}\n", problem);
    return status;
}

void become(const std::string &user, const std::string &group) {
    const SystemUserDatabase database;
    const auto account = database.userNamed(user);
    if (!account) {
        throw IOException("no such user exists");
    }
    gid_t gid = account->gid;
    if (!group.empty()) {
        const auto found = database.groupNamed(group);
        if (!found) {
            throw IOException(fmt::format("group \"{}\": no such group exists", group));
        }
        gid = found->gid;
    }
    switchUser(FileRights::ofUser(user, account->uid, gid));
    ::setenv("HOME", account->home.c_str(), 1);
    ::setenv("USER", user.c_str(), 1);
    ::setenv("LOGNAME", user.c_str(), 1);
    ::setenv("SHELL", account->shell.c_str(), 1);
}

void limitProgram(const char *mode, const char *list) {
    std::vector<std::uint16_t> ports;
    for (const std::string &text : split(list, ',')) {
        if (const auto port = wholeNumber<std::uint16_t>(text)) {
            ports.push_back(*port);
        }
    }
    confineProgram(ports, seccompModeIn(mode).value_or(SeccompMode::ON));
}

}  // namespace

int runAs(std::span<char *const> arguments) {
    const bool limited = arguments.size() > ARGUMENTS_OF_LIMITS && std::string_view(arguments[0]) == "--limits";
    const auto whom = arguments.subspan(limited ? ARGUMENTS_OF_LIMITS : 0);
    if (whom.size() < LEAST_ARGUMENTS) {
        return fail(EXIT_USAGE, "run-as needs USER GROUP PROGRAM");
    }
    const char *const user = whom[0];
    const char *const program = whom[2];
    try {
        become(user, whom[1]);
    } catch (const std::exception &problem) {
        return fail(EXIT_FAILURE, fmt::format("cannot become user \"{}\": {}", user, problem.what()));
    }
    // The folder of this process may be closed to the user.
    if (::chdir("/") != 0) {
        return fail(EXIT_FAILURE, fmt::format("chdir(\"/\"): {}", strerror(errno)));
    }
    try {
        if (limited) {
            limitProgram(arguments[1], arguments[2]);
        }
    } catch (const std::exception &problem) {
        return fail(EXIT_FAILURE,
                    fmt::format("cannot limit the rights of \"{}\" (PassengerSeccomp): {}", program, problem.what()));
    }
    ::execvp(program, &whom[2]);
    return fail(NOT_EXECUTED, fmt::format("user \"{}\" cannot execute \"{}\": {}", user, program, strerror(errno)));
}

}  // namespace Passenger
