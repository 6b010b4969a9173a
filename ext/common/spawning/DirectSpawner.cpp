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
    return load(startup, options);
}

SpawnResult DirectSpawner::load(SpawnStartup &startup, const Options &options) {
    const bool byBridge = options.startsByBridge();
    const auto role = byBridge ? StartRequest::Role::BRIDGE : StartRequest::Role::INSTANCE;
    SpawnResult result = loadBy(options, [&] { return startup.load(role); }).toResult();
    result.hasDescendants = byBridge;
    return result;
}

/** A start that was cancelled fails, whatever the files are. */
void DirectSpawner::lookForChanges(const Options &options) noexcept {
    if (!cancelSwitch().cancelled()) {
        resources_.lookForRestart(options.groupName());
    }
}

SpawnResult DirectSpawner::adopt(const Options &options, const LeftInstance &instance) {
    return SpawnStartup(resources_, cancelSwitch(), options).adopt(instance);
}

}  // namespace Passenger
