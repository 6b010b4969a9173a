#include "spawning/DirectSpawner.h"

namespace Passenger {

DirectSpawner::DirectSpawner(AppResources &resources) : resources_(resources) {}

DirectSpawner::~DirectSpawner() {
    EventLoop::assertNotOnAnyLoop("a Spawner was destroyed");
}

SpawnResult DirectSpawner::spawn(const Options &options) {
    EventLoop::assertNotOnAnyLoop("a Spawner was told to spawn");
    checkMayLoad();
    SpawnStartup startup(resources_, cancelSwitch(), options);
    startup.plan();
    if (!options.startsByBridge()) {
        return startup.load(StartRequest::Role::INSTANCE).toResult();
    }
    SpawnResult bridge = startup.load(StartRequest::Role::BRIDGE).toResult();
    bridge.hasDescendants = true;
    return bridge;
}

SpawnResult DirectSpawner::adopt(const Options &options, const LeftInstance &instance) {
    return SpawnStartup(resources_, cancelSwitch(), options).adopt(instance);
}

}  // namespace Passenger
