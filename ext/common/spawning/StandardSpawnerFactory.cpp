#include "spawning/StandardSpawnerFactory.h"

#include "spawning/DirectSpawner.h"
#include "spawning/SmartSpawner.h"

namespace Passenger {

StandardSpawnerFactory::StandardSpawnerFactory(EventLoop &loop, SpawnManager &manager)
    : loop_(loop), manager_(manager), users_(database_, owners_) {}

SpawnerPtr StandardSpawnerFactory::create(const Options &options) {
    const SpawnTools tools{loop_, manager_, users_};
    if (options.spawnMethod == "direct" || options.speaksHttp()) {
        return std::make_unique<DirectSpawner>(tools);
    }
    if (options.spawnMethod == "dummy") {
        return dummies_.create(options);
    }
    return std::make_unique<SmartSpawner>(tools);
}

pid_t StandardSpawnerFactory::spawnServerPid() const {
    return manager_.spawnServerPid();
}

}  // namespace Passenger
