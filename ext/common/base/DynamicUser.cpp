#include "base/DynamicUser.h"

#include <dirent.h>
#include <grp.h>
#include <pwd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/FileContent.h"
#include "base/Split.h"

namespace Passenger::DynamicUser {

namespace {

constexpr uid_t ROOT = 0;
constexpr std::size_t LARGEST_ENTRY = 1024 * 1024;

/** An entry that is longer than the buffer (ERANGE) exists, too. */
bool hasAccount(id_t id) {
    std::array<char, 1024> buffer;
    passwd account{};
    passwd *found = nullptr;
    return ::getpwuid_r(id, &account, buffer.data(), buffer.size(), &found) == ERANGE || found != nullptr;
}

bool hasGroup(id_t id) {
    std::array<char, 1024> buffer;
    group entry{};
    group *found = nullptr;
    return ::getgrgid_r(id, &entry, buffer.data(), buffer.size(), &found) == ERANGE || found != nullptr;
}

/** The user and group ids of all processes that /proc shows. */
std::set<id_t> idsInUse() {
    std::set<id_t> all;
    const auto close = [](DIR *folder) { ::closedir(folder); };
    const std::unique_ptr<DIR, decltype(close)> processes(::opendir("/proc"), close);
    if (processes == nullptr) {
        throw SystemException("opendir(\"/proc\")", errno);
    }
    while (const dirent *entry = ::readdir(processes.get())) {
        if (std::isdigit(static_cast<unsigned char>(entry->d_name[0])) == 0) {
            continue;
        }
        // Empty for a process that has just ended.
        all.merge(idsIn(fileContent(fmt::format("/proc/{}/status", entry->d_name))));
    }
    return all;
}

FileRights ofAccount(const std::string &name) {
    std::vector<char> buffer(1024);
    passwd account{};
    passwd *found = nullptr;
    int error = 0;
    while ((error = ::getpwnam_r(name.c_str(), &account, buffer.data(), buffer.size(), &found)) == ERANGE &&
           buffer.size() < LARGEST_ENTRY) {
        buffer.resize(buffer.size() * 2);
    }
    const char *const remedy = "name an ordinary user, or remove the directive for a number that nobody has";
    if (found == nullptr) {
        throw IOException(fmt::format("PassengerAgentUser \"{}\": {}: {}", name,
                                      error == 0 ? "no such user exists" : strerror(error), remedy));
    }
    if (account.pw_uid == ROOT || account.pw_gid == ROOT) {
        throw IOException(
            fmt::format("PassengerAgentUser \"{}\": this user is root, or has root's group: {}", name, remedy));
    }
    return {account.pw_uid, account.pw_gid, {account.pw_gid}};
}

}  // namespace

id_t firstFree(const std::function<bool(id_t)> &isTaken) {
    constexpr id_t COUNT = LAST - FIRST + 1;
    for (id_t step = 0; step < COUNT; step++) {
        const id_t id = FIRST + (PREFERRED - FIRST + step) % COUNT;
        if (!isTaken(id)) {
            return id;
        }
    }
    throw IOException(
        fmt::format("no number from {} to {} is free for the agent's user: set PassengerAgentUser to an ordinary user",
                    FIRST, LAST));
}

std::set<id_t> idsIn(std::string_view status) {
    std::set<id_t> ids;
    for (const std::string &line : split(status, '\n')) {
        if (!line.starts_with("Uid:") && !line.starts_with("Gid:") && !line.starts_with("Groups:")) {
            continue;
        }
        const char *const end = line.data() + line.size();
        for (const char *next = line.data() + line.find(':') + 1; next < end; next++) {
            id_t id = 0;
            const auto [stopped, error] = std::from_chars(next, end, id);
            if (error == std::errc()) {
                ids.insert(id);
                next = stopped;
            }
        }
    }
    return ids;
}

FileRights choose(const std::string &name) {
    if (!name.empty()) {
        return ofAccount(name);
    }
    const std::set<id_t> used = idsInUse();
    const id_t id = firstFree([&used](id_t id) { return used.contains(id) || hasAccount(id) || hasGroup(id); });
    return {id, id, {id}};
}

}  // namespace Passenger::DynamicUser
