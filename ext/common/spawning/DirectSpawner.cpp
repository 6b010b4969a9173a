#include "spawning/DirectSpawner.h"

namespace Passenger {

DirectSpawner::DirectSpawner(const SpawnTools &tools) : tools_(tools) {}

DirectSpawner::~DirectSpawner() {
    EventLoop::assertNotOnAnyLoop("a Spawner was destroyed");
}

SpawnResult DirectSpawner::spawn(const Options &options) {
    EventLoop::assertNotOnAnyLoop("a Spawner was told to spawn");
    SpawnStartup startup(tools_, cancelSwitch(), options);
    startup.plan();
    if (!options.startsByBridge()) {
        return startup.load(StartRequest::Role::INSTANCE).toResult();
    }
    SpawnResult bridge = startup.load(StartRequest::Role::BRIDGE).toResult();
    bridge.hasDescendants = true;
    return bridge;
}

SpawnResult DirectSpawner::adopt(const Options &options, const LeftInstance &instance) {
    return SpawnStartup(tools_, cancelSwitch(), options).adopt(instance);
}

}  // namespace Passenger
