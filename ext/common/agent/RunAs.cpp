#include "agent/RunAs.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/FileRights.h"
#include "base/UserSwitch.h"

namespace Passenger {

namespace {

constexpr int NOT_EXECUTED = 127;

int fail(int status, const std::string &problem) {
    fmt::print(stderr, "passenger-agent: {}\n", problem);
    return status;
}

/** The process has one thread, so the results of libc's lookups stay valid. */
const passwd &accountNamed(const char *name) {
    errno = 0;
    const passwd *const account = ::getpwnam(name);
    if (account == nullptr) {
        throw IOException(errno == 0 ? "no such user exists" : strerror(errno));
    }
    return *account;
}

gid_t groupNamed(const char *name) {
    errno = 0;
    const group *const found = ::getgrnam(name);
    if (found == nullptr) {
        throw IOException(fmt::format("group \"{}\": {}", name, errno == 0 ? "no such group exists" : strerror(errno)));
    }
    return found->gr_gid;
}

void become(const char *user, const char *group) {
    const passwd &account = accountNamed(user);
    const gid_t gid = *group != '\0' ? groupNamed(group) : account.pw_gid;
    switchUser(FileRights::ofUser(user, account.pw_uid, gid));
    ::setenv("HOME", account.pw_dir, 1);
    ::setenv("USER", user, 1);
    ::setenv("LOGNAME", user, 1);
    ::setenv("SHELL", account.pw_shell, 1);
}

}  // namespace

int runAs(char **arguments) {
    const char *const user = arguments[0];
    const char *const program = arguments[2];
    try {
        become(user, arguments[1]);
    } catch (const std::exception &problem) {
        return fail(EXIT_FAILURE, fmt::format("cannot become user \"{}\": {}", user, problem.what()));
    }
    // The folder of this process may be closed to the user.
    if (::chdir("/") != 0) {
        return fail(EXIT_FAILURE, fmt::format("chdir(\"/\"): {}", strerror(errno)));
    }
    ::execvp(program, arguments + 2);
    return fail(NOT_EXECUTED, fmt::format("user \"{}\" cannot execute \"{}\": {}", user, program, strerror(errno)));
}

}  // namespace Passenger
