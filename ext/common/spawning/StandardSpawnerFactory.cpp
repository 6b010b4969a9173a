#include "spawning/StandardSpawnerFactory.h"

#include <memory>
#include <utility>

#include "base/Exceptions.h"
#include "rights/Rights.h"
#include "spawning/SmartSpawner.h"

namespace Passenger {

SpawnerPtr StandardSpawnerFactory::create(const Options & /*options*/) {
    return std::make_unique<SmartSpawner>(resources_);
}

RunAs StandardSpawnerFactory::ownerOf(const Options &options) const {
    if (!Rights::ofThisProcess().switchesUsers()) {
        return {};
    }
    if (resources_.manager.canSwitchUsers()) {
        auto owner = resources_.userOf(options);
        if (!owner) {
            throw IOException(owner.error());
        }
        // An instance goes on after a reload that changes the options.
        resources_.outputs.use(options.logFile, *owner);
        return *std::move(owner);
    }
    const std::string name = resources_.manager.settings().user;
    const auto user = resources_.database.userNamed(name);
    if (!user) {
        throw IOException("the user \"" + name + "\" does not exist");
    }
    return {user->name, "", user->uid, user->gid, ""};
}

}  // namespace Passenger
