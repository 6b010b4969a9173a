#pragma once

#include <atomic>

#include "spawning/Spawner.h"

namespace Passenger {

class DummySpawnerFactory;

/**
 * Makes DummyInstances, so that whatever uses spawners can be tested by itself. What it does is
 * set at its factory. Owned like any Spawner.
 */
class DummySpawner final : public Spawner {
public:
    explicit DummySpawner(DummySpawnerFactory &factory);
    ~DummySpawner() override;

    SpawnResult spawn(const Options &options) override;
    /** As spawn(): what an earlier pool process has left is looked at by nobody. */
    SpawnResult adopt(const Options &options, const LeftInstance &instance) override;
    void lookForChanges(const Options &options) noexcept override;
    void rest() override;
    std::shared_ptr<const Origin> refork(const Options &options, const WarmInstance &instance) override;
    void cancel() override;

private:
    DummySpawnerFactory &factory_;
    std::atomic<bool> cancelled_{false};
};

}  // namespace Passenger
