#include "spawning/DummyInstances.h"

#include <utility>

#include "io/SocketPair.h"

namespace Passenger {

DummyInstances::DummyInstances(Driven driven, const Clock &clock) : driven_(driven), clock_(clock) {}

DummyInstances::~DummyInstances() {
    std::list<Thread> threads;
    {
        const LockGuard guard(mutex_);
        threads.swap(threads_);
    }
    for (Thread &thread : threads) {
        thread.join();
    }
}

SpawnResult DummyInstances::make() {
    DescriptorPair control = makeStreamPair();
    DescriptorPair life = makePipe();
    SpawnResult result;
    result.pidFd = std::move(life.first);
    result.control = FrameSocket(std::move(control.first));
    const LockGuard guard(mutex_);
    const bool byHand = driven_ == Driven::BY_HAND;
    DummyInstance &instance =
        all_.emplace_back(FrameSocket(std::move(control.second)), std::move(life.second), clock_,
                          byHand ? DummyInstance::Ready::AT_ONCE : DummyInstance::Ready::WHEN_TOLD_TO_SERVE);
    if (byHand) {
        living_.push_back(&instance);
    } else {
        threads_.emplace_back("dummy", [&instance] { run(instance); });
    }
    return result;
}

void DummyInstances::run(DummyInstance &instance) {
    for (;;) {
        instance.listen();
        while (const auto thread = instance.take()) {
            instance.answer(*thread);
        }
        // What came together with a reply channel is read already: no wait would end for it.
        instance.listen();
        if (!instance.alive()) {
            return;
        }
        instance.await();
    }
}

bool DummyInstances::step(const Taken &taken) {
    std::vector<DummyInstance *> living;
    {
        const LockGuard guard(mutex_);
        living = living_;
    }
    for (DummyInstance *instance : living) {
        instance->listen();
    }
    bool any = false;
    for (bool more = true; more;) {
        more = false;
        for (DummyInstance *instance : living) {
            if (const auto thread = instance->take()) {
                taken(*instance, *thread);
                more = any = true;
            }
        }
    }
    const LockGuard guard(mutex_);
    return std::erase_if(living_, [](const DummyInstance *instance) { return !instance->alive(); }) > 0 || any;
}

DummyInstance &DummyInstances::at(std::size_t index) {
    const LockGuard guard(mutex_);
    return all_.at(index);
}

std::size_t DummyInstances::count() const {
    const LockGuard guard(mutex_);
    return all_.size();
}

}  // namespace Passenger
