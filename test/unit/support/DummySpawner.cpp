#include "support/DummySpawner.h"

#include "loop/EventLoop.h"
#include "support/DummySpawnerFactory.h"

namespace Passenger {

DummySpawner::DummySpawner(DummySpawnerFactory &factory) : factory_(factory) {
    ++factory_.created_;
    ++factory_.alive_;
}

DummySpawner::~DummySpawner() {
    EventLoop::assertNotOnAnyLoop("a Spawner was destroyed");
    --factory_.alive_;
}

SpawnResult DummySpawner::spawn(const Options &options) {
    EventLoop::assertNotOnAnyLoop("a Spawner was told to spawn");
    const auto make = [&] { return factory_.spawn(options, cancelled_); };
    return factory_.loaded ? make() : loadBy(options, make);
}

void DummySpawner::lookForChanges(const Options &options) noexcept {
    if (factory_.look && !cancelled_) {
        factory_.look(options);
    }
}

SpawnResult DummySpawner::adopt(const Options &options, const LeftInstance &instance) {
    SpawnResult result = factory_.spawn(options, cancelled_);
    result.isAsgi = instance.isAsgi;
    return result;
}

void DummySpawner::rest() {
    EventLoop::assertNotOnAnyLoop("a Spawner was told to rest");
    ++factory_.rests_;
}

std::shared_ptr<const Origin> DummySpawner::refork(const Options &options, const WarmInstance &instance) {
    EventLoop::assertNotOnAnyLoop("a Spawner was told to fork from an instance");
    if (!factory_.refork) {
        return Spawner::refork(options, instance);
    }
    return factory_.refork(instance);
}

void DummySpawner::cancel() {
    Spawner::cancel();
    ++factory_.cancels_;
    cancelled_ = true;
    factory_.wakeHeld();
}

}  // namespace Passenger
