#include "spawning/ServerAccount.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/Exceptions.h"
#include "base/FileRights.h"
#include "base/SystemUserDatabase.h"
#include "log/Log.h"

namespace Passenger {

std::optional<ServerAccount> ServerAccount::of(const std::string &user, const std::string &group) {
    const SystemUserDatabase database;
    try {
        auto found = user.empty() ? database.userWithId(::geteuid()) : database.userNamed(user);
        if (!found) {
            return std::nullopt;
        }
        ServerAccount account{std::move(*found)};
        if (user.empty()) {
            return account;
        }
        const auto named = group.empty() ? std::nullopt : database.groupNamed(group);
        if (!group.empty() && !named) {
            return std::nullopt;
        }
        account.gid = named ? named->gid : account.user.gid;
        account.groups = FileRights::ofUser(user, account.user.uid, account.gid).groups;
        std::sort(account.groups.begin(), account.groups.end());
        return account;
    } catch (const SystemException &error) {
        Log::warn("event=spawn_server.account_unknown user=\"{}\" error=\"{}\"", user, error.what());
        return std::nullopt;
    }
}

}  // namespace Passenger
