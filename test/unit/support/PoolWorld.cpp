#include "support/PoolWorld.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "pool/MemorySession.h"
#include "support/Eventually.h"

namespace Passenger {

PoolWorld::PoolWorld(const std::vector<Options> &apps, const PoolSettings &settings, bool mortal)
    : apps_(apps),
      channels_(loop_),
      spawners_(mortal),
      pool_(std::make_unique<Pool>(Pool::Parts{.loop = loop_,
                                               .factory = spawners_,
                                               .channels = channels_,
                                               .clock = clock_,
                                               .store = store_,
                                               .cpu = cpu_,
                                               .ownTimer = false},
                                   settings)) {
    for (std::size_t app = 0; app < apps_.size(); app++) {
        byRoot_.emplace(apps_[app].appRoot, app);
    }
}

PoolWorld::~PoolWorld() {
    // Sessions refer to the Pool, and the end of one may begin another.
    if (pool_) {
        pool_->shutDown();
    }
    takeAnswered();
    pool_.reset();
}

PoolWorld::RequestPtr PoolWorld::ask(std::size_t app, std::uint32_t stickyId) {
    auto request = std::make_shared<Request>();
    request->number = ++lastNumber_;
    request->app = app;
    request->stickyId = stickyId;
    request->since = clock_.now();
    Options options = apps_[app];
    options.stickyId = stickyId;
    if (options.maxQueueTime.count() > 0) {
        request->deadline = request->since + options.maxQueueTime;
    }
    request->waiting =
        pool_->asyncGet(options, [this, request](GetOutcome outcome) { answer(request, std::move(outcome)); });
    return request;
}

/** On any thread. */
void PoolWorld::answer(const RequestPtr &request, GetOutcome outcome) {
    const std::lock_guard<std::mutex> guard(mutex_);
    request->answers++;
    request->answered = clock_.now();
    if (outcome) {
        request->session = std::move(*outcome);
        request->instance = dynamic_cast<const MemorySession &>(*request->session).process()->id();
    } else {
        request->failure = std::move(outcome.error());
    }
    answered_.push_back(request);
}

void PoolWorld::release(const RequestPtr &request) {
    request->session.reset();
}

void PoolWorld::cancel(const RequestPtr &request) {
    pool_->cancel(request->waiting);
}

bool PoolWorld::kill(InstanceId instance) {
    if (!spawners_.kill(instance)) {
        return false;
    }
    const auto lives = [&] {
        const PoolSnapshot snapshot = pool_->inspect();
        return std::any_of(snapshot.superGroups.begin(), snapshot.superGroups.end(), [&](const auto &superGroup) {
            const auto &processes = superGroup.groups[0].processes;
            return std::any_of(processes.begin(), processes.end(), [&](const auto &p) { return p.id == instance; });
        });
    };
    const auto looks = [&] {
        // The first turn of the loop finds out, at the latest in the second it was told.
        loop_.runSync([] {});
        loop_.runSync([] {});
        return !lives();
    };
    if (!eventually(looks)) {
        throw std::runtime_error("the end of an instance was not noticed");
    }
    loop_.runSync([] {});
    return true;
}

void PoolWorld::finish(std::uint64_t boot, bool succeeds) {
    spawners_.finish(boot, succeeds);
}

void PoolWorld::pass(std::chrono::nanoseconds time) {
    clock_.advance(time);
    pool_->upkeep();
}

void PoolWorld::destroyPool() {
    pool_.reset();
}

PoolSnapshot PoolWorld::settle() {
    for (;;) {
        const std::uint64_t changes = spawners_.changes();
        PoolSnapshot snapshot = pool_->inspect();
        unsigned starting = 0;
        for (const SuperGroupSnapshot &superGroup : snapshot.superGroups) {
            starting += superGroup.groups[0].starting;
        }
        if (spawners_.allWait(starting, changes)) {
            return snapshot;
        }
    }
}

std::vector<PoolWorld::RequestPtr> PoolWorld::takeAnswered() {
    const std::lock_guard<std::mutex> guard(mutex_);
    return std::exchange(answered_, {});
}

}  // namespace Passenger
