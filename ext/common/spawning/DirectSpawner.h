#pragma once

#include "spawning/SpawnStartup.h"
#include "spawning/Spawner.h"

namespace Passenger {

/**
 * Starts each instance as a process that loads the application itself, or that begins as a bridge
 * (Options::startsByBridge()).
 *
 * Owned by a Group; threads as Spawner says. cancel() is permanent: later spawns fail too.
 */
class DirectSpawner : public Spawner {
public:
    explicit DirectSpawner(AppResources &resources);
    ~DirectSpawner() override;

    SpawnResult spawn(const Options &options) override;
    SpawnResult adopt(const Options &options, const LeftInstance &instance) override;
    void lookForChanges(const Options &options) noexcept override;

protected:
    /** Starts an instance that loads the application. @throws NotLoadedException */
    SpawnResult load(SpawnStartup &startup, const Options &options);
    AppResources &resources() noexcept { return resources_; }

private:
    AppResources &resources_;
};

}  // namespace Passenger
