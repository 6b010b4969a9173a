#include "commands/SafeProgram.h"

#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "base/FolderTrust.h"

namespace Passenger {

std::string safeProgram(const std::string &program) {
    if (::geteuid() != 0) {
        return program;
    }
    std::error_code problem;
    // Shims, such as those of mise, look at the name by which they are executed.
    std::string named = std::filesystem::absolute(program, problem);
    if (!problem && isSafeFromOthers(named)) {
        return named;
    }
    std::string path = std::filesystem::canonical(program, problem);
    return !problem && isSafeFromOthers(path) ? std::move(path) : std::string();
}

}  // namespace Passenger
