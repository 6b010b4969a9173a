#include "commands/ProgramMain.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>

#include "base/Exceptions.h"
#include "base/MarkupText.h"
#include "base/StandardDescriptors.h"
#include "commands/CommandFailure.h"
#include "commands/JsonResult.h"

namespace Passenger {

namespace {

/** The agent may have given the text.
 *  @param json whether stdout gets the failure, too @return the exit status */
int fail(const char *name, const char *text, int status, bool json) {
    if (json && std::ferror(stdout) == 0) {
        fmt::print("{}", JsonResult::failed(status, text));
    }
    std::fflush(stdout);
    fmt::print(stderr, "{}: {}\n", name, printable(text));
    return status;
}

}  // namespace

int runProgram(const char *name, int argc, char **argv, const std::function<int(std::vector<std::string>)> &run) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    // Also where the command line cannot be parsed.
    const bool json = std::find(words.begin(), words.end(), "--json") != words.end();
    try {
        openStandardDescriptors();
        const int status = run(words);
        // Parts were perhaps flushed before.
        if (const bool failed = std::fflush(stdout) != 0; failed || std::ferror(stdout) != 0) {
            throw SystemException("the output cannot be written", failed ? errno : EIO);
        }
        return status;
    } catch (const CommandFailureException &failure) {
        return fail(name, failure.what(), failure.status(), json);
    } catch (const std::exception &error) {
        return fail(name, error.what(), ExitStatus::FAILED, json);
    }
}

}  // namespace Passenger
