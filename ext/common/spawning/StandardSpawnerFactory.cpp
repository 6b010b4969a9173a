#include "spawning/StandardSpawnerFactory.h"

#include <utility>

#include "base/Exceptions.h"
#include "base/SystemClock.h"
#include "rights/Rights.h"
#include "spawning/DirectSpawner.h"
#include "spawning/SmartSpawner.h"

namespace Passenger {

StandardSpawnerFactory::StandardSpawnerFactory(EventLoop &loop, SpawnManager &manager, LimitCountsPtr counts)
    : loop_(loop),
      manager_(manager),
      users_(database_, owners_, grants_),
      counts_(std::move(counts)),
      outputLimits_(loop, SystemClock::instance(), counts_) {}

SpawnerPtr StandardSpawnerFactory::create(const Options &options) {
    const SpawnTools tools{loop_, manager_, users_, grants_, outputs_, outputLimits_, groups_, appUsers_, *counts_};
    if (options.spawnMethod == "direct" || options.startsByBridge()) {
        return std::make_unique<DirectSpawner>(tools);
    }
    return std::make_unique<SmartSpawner>(tools);
}

tl::expected<RunAs, std::string> StandardSpawnerFactory::userOf(const Options &options) const {
    return Rights::ofThisProcess().userOf(options, users_, manager_.canSwitchUsers());
}

std::optional<FileRights> StandardSpawnerFactory::rightsFor(const Options &options) const {
    if (!Rights::ofThisProcess().switchesUsers()) {
        return std::nullopt;
    }
    if (manager_.canSwitchUsers()) {
        const auto user = userOf(options);
        if (!user) {
            throw IOException(user.error());
        }
        return FileRights::ofUser(user->user, user->uid, user->gid);
    }
    const std::string name = manager_.user();
    const auto user = database_.userNamed(name);
    if (!user) {
        throw IOException("the user \"" + name + "\" does not exist");
    }
    return FileRights::ofUser(user->name, user->uid, user->gid);
}

pid_t StandardSpawnerFactory::spawnServerPid() const {
    return manager_.spawnServerPid();
}

}  // namespace Passenger
