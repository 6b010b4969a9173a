#include "spawning/StandardSpawnerFactory.h"

#include <memory>

#include "base/Exceptions.h"
#include "rights/Rights.h"
#include "spawning/SmartSpawner.h"

namespace Passenger {

SpawnerPtr StandardSpawnerFactory::create(const Options & /*options*/) {
    return std::make_unique<SmartSpawner>(resources_);
}

std::optional<FileRights> StandardSpawnerFactory::rightsFor(const Options &options) const {
    if (!Rights::ofThisProcess().switchesUsers()) {
        return std::nullopt;
    }
    if (resources_.manager.canSwitchUsers()) {
        const auto user = resources_.userOf(options);
        if (!user) {
            throw IOException(user.error());
        }
        return FileRights::ofUser(user->user, user->uid, user->gid);
    }
    const std::string name = resources_.manager.settings().user;
    const auto user = resources_.database.userNamed(name);
    if (!user) {
        throw IOException("the user \"" + name + "\" does not exist");
    }
    return FileRights::ofUser(user->name, user->uid, user->gid);
}

}  // namespace Passenger
