#pragma once

#include <sys/types.h>

#include <string>

#include "exchange/Options.h"
#include "rights/RunAs.h"
#include "spawning/AppResources.h"
#include "spawning/Spawner.h"
#include "spawning/SpawnerFactory.h"

namespace Passenger {

/**
 * Makes SmartSpawners: they follow the options of each start.
 *
 * Owned by the engine, outlives its Spawners. Thread-safe; create() never blocks.
 */
class StandardSpawnerFactory final : public SpawnerFactory {
public:
    /** @param resources outlive the Spawners */
    explicit StandardSpawnerFactory(AppResources &resources) : resources_(resources) {}

    SpawnerPtr create(const Options &options) override;
    RunAs ownerOf(const Options &options) const override;
    AppGroupPtr groupNamed(const std::string &app, const std::string &name) override {
        return resources_.groups.named(app, name);
    }
    pid_t spawnServerPid() const override { return resources_.manager.spawnServerPid(); }

private:
    AppResources &resources_;
};

}  // namespace Passenger
