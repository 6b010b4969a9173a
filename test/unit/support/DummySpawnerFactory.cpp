#include "support/DummySpawnerFactory.h"

#include <memory>

#include "base/Exceptions.h"
#include "support/DummySpawner.h"

namespace Passenger {

SpawnerPtr DummySpawnerFactory::create(const Options &) {
    return std::make_unique<DummySpawner>(*this);
}

SpawnResult DummySpawnerFactory::spawn(const Options &options, const std::atomic<bool> &cancelled) {
    ++attempts_;
    if (beforeSpawn) {
        beforeSpawn(options);
    }
    passGate(cancelled);
    if (cancelled) {
        throw SpawnException("the start was cancelled");
    }
    for (unsigned left = failuresToCome; left > 0;) {
        if (failuresToCome.compare_exchange_weak(left, left - 1)) {
            throw SpawnException("a failure was ordered", "The dummy spawner was told to fail.\n");
        }
    }
    SpawnResult result = makeResult ? makeResult(options) : instances_.make();
    ++spawned_;
    return result;
}

void DummySpawnerFactory::passGate(const std::atomic<bool> &cancelled) {
    LockGuard guard(mutex_);
    ++inGate_;
    gate_.notify_all();
    while (holding_ && passes_ == 0 && !cancelled) {
        guard.wait(gate_);
    }
    --inGate_;
    if (holding_ && !cancelled) {
        --passes_;
    }
}

void DummySpawnerFactory::hold() {
    LockGuard guard(mutex_);
    holding_ = true;
    passes_ = 0;
}

void DummySpawnerFactory::letThrough(unsigned count) {
    LockGuard guard(mutex_);
    passes_ += count;
    gate_.notify_all();
}

void DummySpawnerFactory::release() {
    LockGuard guard(mutex_);
    holding_ = false;
    passes_ = 0;
    gate_.notify_all();
}

void DummySpawnerFactory::waitUntilHeld(unsigned count) {
    LockGuard guard(mutex_);
    while (waiting() < count) {
        guard.wait(gate_);
    }
}

unsigned DummySpawnerFactory::held() const {
    LockGuard guard(mutex_);
    return waiting();
}

unsigned DummySpawnerFactory::waiting() const {
    // Who was let through may not have noticed yet.
    return holding_ && inGate_ > passes_ ? inGate_ - passes_ : 0;
}

void DummySpawnerFactory::wakeHeld() {
    // Under the lock: a spawn that has just looked and not yet waits must not miss this.
    LockGuard guard(mutex_);
    gate_.notify_all();
}

}  // namespace Passenger
