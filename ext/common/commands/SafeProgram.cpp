#include "commands/SafeProgram.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

namespace Passenger {

namespace {

/** Whether root alone can change the program: the file itself and each folder on the way. */
bool isRootsOwn(std::filesystem::path path) {
    for (;; path = path.parent_path()) {
        struct stat status {};
        if (::stat(path.c_str(), &status) != 0 || status.st_uid != 0 || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
            return false;
        }
        if (path == path.parent_path()) {
            return true;
        }
    }
}

}  // namespace

std::string safeProgram(const std::string &program) {
    if (::geteuid() != 0) {
        return program;
    }
    std::error_code problem;
    const std::filesystem::path path = std::filesystem::canonical(program, problem);
    return !problem && isRootsOwn(path) ? path.string() : std::string();
}

}  // namespace Passenger
