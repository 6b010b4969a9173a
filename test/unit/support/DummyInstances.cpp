#include "support/DummyInstances.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <utility>

#include "base/Exceptions.h"
#include "io/SocketPair.h"

namespace Passenger {

DummyInstances::DummyInstances(Driven driven, const Clock &clock)
    : driven_(driven), clock_(clock), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_) {
        throw SystemException("epoll_create1 failed", errno);
    }
}

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
    const int descriptor = control.second.get();
    DummyInstance &instance =
        all_.emplace_back(FrameSocket(std::move(control.second)), std::move(life.second), clock_,
                          byHand ? DummyInstance::Ready::AT_ONCE : DummyInstance::Ready::WHEN_TOLD_TO_SERVE);
    if (byHand) {
        living_.push_back(&instance);
        epoll_event event{EPOLLIN, {.ptr = &instance}};
        if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0) {
            throw SystemException("epoll_ctl failed", errno);
        }
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

void DummyInstances::listenToAgent() const {
    std::array<epoll_event, 64> events;
    int count = 0;
    do {
        count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
        for (const epoll_event &event : std::span(events).first(static_cast<std::size_t>(std::max(count, 0)))) {
            static_cast<DummyInstance *>(event.data.ptr)->listen();
        }
    } while (count == static_cast<int>(events.size()));
}

bool DummyInstances::step(const Taken &taken) {
    listenToAgent();
    std::vector<DummyInstance *> living;
    {
        const LockGuard guard(mutex_);
        living = living_;
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
    for (DummyInstance *instance : living) {
        if (instance->takeNews()) {
            news_ = true;
            // What came together with a reply channel is read already: epoll does not tell of it.
            instance->listen();
        }
    }
    const LockGuard guard(mutex_);
    const bool ended = std::erase_if(living_, [](const DummyInstance *instance) { return !instance->alive(); }) > 0;
    news_ = news_ || ended;
    return ended || any;
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
