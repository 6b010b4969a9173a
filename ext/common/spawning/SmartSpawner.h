#pragma once

#include <memory>

#include "spawning/CancelSwitch.h"
#include "spawning/Preloader.h"
#include "spawning/SpawnStartup.h"
#include "spawning/Spawner.h"

namespace Passenger {

/**
 * Keeps a preloader that has the application loaded, and lets it fork instances. Started at the first spawn(), again
 * when it died (once in a spawn, unseen), and when a spawn wants another user, Ruby or environment than it was loaded
 * with.
 *
 * Owned by a Group; threads as Spawner says. cancel() is for good: later spawns fail too.
 */
class SmartSpawner final : public Spawner {
public:
    explicit SmartSpawner(const SpawnTools &tools);
    /** Ends the preloader; its instances live on. */
    ~SmartSpawner() override;

    SpawnResult spawn(const Options &options) override;
    void cancel() override;

private:
    void dropUnsuitablePreloader(SpawnStartup &startup, const Options &options);

    SpawnTools tools_;
    CancelSwitch cancel_;
    std::unique_ptr<Preloader> preloader_;
};

}  // namespace Passenger
