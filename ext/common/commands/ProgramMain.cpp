#include "commands/ProgramMain.h"

#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "base/StandardDescriptors.h"
#include "commands/CommandFailure.h"

namespace Passenger {

int runProgram(const char *name, int argc, char **argv, const std::function<int(std::vector<std::string>)> &run) {
    try {
        openStandardDescriptors();
        return run(std::vector<std::string>(argv + 1, argv + argc));
    } catch (const CommandFailureException &failure) {
        std::fflush(stdout);
        fmt::print(stderr, "{}: {}\n", name, failure.what());
        return failure.status();
    } catch (const std::exception &error) {
        std::fflush(stdout);
        fmt::print(stderr, "{}: {}\n", name, error.what());
        return ExitStatus::FAILED;
    }
}

}  // namespace Passenger
