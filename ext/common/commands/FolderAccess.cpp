#include "commands/FolderAccess.h"

#include <pwd.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "base/FileRights.h"
#include "commands/Terminal.h"

namespace Passenger {

namespace {

/** @return nothing: there is no such user */
std::optional<FileRights> rightsOf(const std::string &user) {
    const passwd *const entry = user.empty() ? nullptr : ::getpwnam(user.c_str());
    return entry == nullptr ? std::nullopt
                            : std::optional(FileRights::ofUser(entry->pw_name, entry->pw_uid, entry->pw_gid));
}

/** @param right of others: S_IROTH or S_IXOTH */
bool may(const struct stat &file, const FileRights &user, mode_t right) {
    if (user.uid == 0) {
        return true;
    }
    constexpr unsigned OF_OWNER = 6;
    constexpr unsigned OF_GROUP = 3;
    if (file.st_uid == user.uid) {
        return (file.st_mode & (right << OF_OWNER)) != 0;
    }
    const bool member = std::ranges::find(user.groups, file.st_gid) != user.groups.end();
    return (file.st_mode & (member ? right << OF_GROUP : right)) != 0;
}

}  // namespace

std::optional<std::string> closedFolder(const std::string &path, const std::string &user) {
    const auto rights = rightsOf(user);
    if (!rights) {
        return std::nullopt;
    }
    std::filesystem::path folder;
    for (const auto &part : std::filesystem::path(path)) {
        folder /= part;
        struct stat status {};
        if (::stat(folder.c_str(), &status) != 0) {
            return std::nullopt;
        }
        if (S_ISDIR(status.st_mode) && !may(status, *rights, S_IXOTH)) {
            return folder.string();
        }
    }
    return std::nullopt;
}

bool isReadable(const std::string &path, const std::string &user) {
    const auto rights = rightsOf(user);
    struct stat status {};
    return !rights || ::stat(path.c_str(), &status) != 0 || may(status, *rights, S_IROTH);
}

std::string openingRemedy(const std::string &right, const std::string &path) {
    std::error_code problem;
    const std::string real = std::filesystem::canonical(path, problem).string();
    if (!problem && real == std::filesystem::path(path).lexically_normal().string()) {
        return fmt::format("chmod {} {}", right, shellWord(path));
    }
    struct stat status {};
    if (problem || ::lstat(real.c_str(), &status) != 0) {
        return fmt::format("look at {} before you open it: a link leads elsewhere", shellWord(path));
    }
    const passwd *const owner = ::getpwuid(status.st_uid);
    return fmt::format("look first: a link leads to {}, which belongs to {}", shellWord(real),
                       owner != nullptr ? owner->pw_name : std::to_string(status.st_uid));
}

}  // namespace Passenger
