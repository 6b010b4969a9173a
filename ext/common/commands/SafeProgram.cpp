#include "commands/SafeProgram.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

namespace Passenger {

namespace {

namespace fs = std::filesystem;

/** Whether root alone can change it: itself and each folder above it. @param path without links */
bool isRootsOwn(fs::path path) {
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

/** Whether the kernel may go another way than lexically_normal() says: by `..` behind a folder that
 *  can be a link. */
bool leadsBack(const fs::path &target) {
    bool isBelow = false;
    for (const fs::path &part : target) {
        if (isBelow && part == "..") {
            return true;
        }
        isBelow = isBelow || (part != ".." && part != "." && part != "/");
    }
    return false;
}

/** The program by its own name, at which it may look, as the shims of mise do. Empty: others than
 *  root can change where the name leads, or links of folders are on the way. */
fs::path ownName(const fs::path &program) {
    std::error_code problem;
    const fs::path own = fs::canonical(fs::absolute(program).parent_path(), problem) / program.filename();
    for (fs::path next = own; !problem && isRootsOwn(next.parent_path());) {
        if (!fs::is_symlink(next)) {
            return own;
        }
        const fs::path target = fs::read_symlink(next, problem);
        next = (next.parent_path() / target).lexically_normal();
        if (leadsBack(target) || fs::canonical(next.parent_path(), problem) != next.parent_path()) {
            break;
        }
    }
    return {};
}

}  // namespace

std::string safeProgram(const std::string &program) {
    if (::geteuid() != 0) {
        return program;
    }
    std::error_code problem;
    const fs::path path = fs::canonical(program, problem);
    if (problem || !isRootsOwn(path)) {
        return {};
    }
    const fs::path own = ownName(program);
    return own.empty() ? path.string() : own.string();
}

}  // namespace Passenger
