#include "spawning/DirectSpawner.h"

namespace Passenger {

DirectSpawner::DirectSpawner(const SpawnTools &tools) : tools_(tools) {}

SpawnResult DirectSpawner::spawn(const Options &options) {
    SpawnStartup startup(tools_, cancel_, options);
    startup.plan();
    return startup.load(StartRequest::Role::INSTANCE).toResult();
}

void DirectSpawner::cancel() {
    cancel_.cancel();
}

}  // namespace Passenger
