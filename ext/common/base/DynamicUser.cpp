#include "base/DynamicUser.h"

#include <grp.h>
#include <pwd.h>

#include <array>
#include <cerrno>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/FileContent.h"
#include "base/ProcessTree.h"
#include "base/Split.h"
#include "base/SystemUserDatabase.h"

namespace Passenger::DynamicUser {

namespace {

constexpr uid_t ROOT = 0;

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
    const std::vector<pid_t> pids = allPids();
    if (pids.empty()) {
        throw SystemException("opendir(\"/proc\")", errno);
    }
    std::set<id_t> all;
    for (const pid_t pid : pids) {
        // Empty for a process that has just ended.
        all.merge(idsIn(fileContent(fmt::format("/proc/{}/status", pid))));
    }
    return all;
}

FileRights ofAccount(const std::string &name) {
    const char *const remedy = "name an ordinary user, or remove the directive for a number that nobody has";
    std::optional<UserDatabase::User> account;
    try {
        account = SystemUserDatabase().userNamed(name);
    } catch (const SystemException &error) {
        throw IOException(fmt::format("PassengerAgentUser \"{}\": {}: {}", name, error.what(), remedy));
    }
    if (!account) {
        throw IOException(fmt::format("PassengerAgentUser \"{}\": no such user exists: {}", name, remedy));
    }
    if (account->uid == ROOT || account->gid == ROOT) {
        throw IOException(
            fmt::format("PassengerAgentUser \"{}\": this user is root, or has root's group: {}", name, remedy));
    }
    return {account->uid, account->gid, {account->gid}};
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
    for (const std::string_view label : {"Uid:", "Gid:", "Groups:"}) {
        std::istringstream numbers(afterLabel(status, label));
        ids.insert(std::istream_iterator<id_t>(numbers), std::istream_iterator<id_t>());
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
