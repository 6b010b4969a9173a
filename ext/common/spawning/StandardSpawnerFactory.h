#pragma once

#include "io/EventLoop.h"
#include "spawning/DummySpawner.h"
#include "spawning/FileOwners.h"
#include "spawning/SpawnManager.h"
#include "spawning/Spawner.h"
#include "spawning/UserDatabase.h"
#include "spawning/UserResolver.h"

namespace Passenger {

/**
 * Chooses the Spawner by Options::spawnMethod: "direct", "dummy" (tests), and for all else the smart one.
 *
 * Owned by main(), outlives its Spawners. Thread-safe; create() never blocks.
 */
class StandardSpawnerFactory final : public SpawnerFactory {
public:
    StandardSpawnerFactory(EventLoop &loop, SpawnManager &manager);

    SpawnerPtr create(const Options &options) override;
    pid_t spawnServerPid() const override;
    /** What "dummy" is served by. */
    DummySpawnerFactory &dummies() noexcept {
        return dummies_;
    }

private:
    EventLoop &loop_;
    SpawnManager &manager_;
    const SystemUserDatabase database_;
    const SystemFileOwners owners_;
    const UserResolver users_;
    DummySpawnerFactory dummies_;
};

}  // namespace Passenger
