#include "support/PoolWorld.h"

namespace Passenger {

PoolWorld::PoolWorld(const std::vector<Options> &apps, const PoolSettings &settings)
    : apps_(apps),
      channels_(loop_),
      spawners_(clock_),
      pool_(std::make_unique<Pool>(Pool::Parts{.loop = loop_,
                                               .factory = spawners_,
                                               .channels = channels_,
                                               .clock = clock_,
                                               .store = store_,
                                               .cpu = cpu_,
                                               .ownTimer = false},
                                   settings)),
      requests_(std::make_unique<PoolRequests>(*pool_, spawners_.instances(), loop_)) {
    // Threads that put a standby instance to work call no spawner, but the clock.
    SteeredSpawners::exceptThisThread();
    loop_.runSync([] { SteeredSpawners::exceptThisThread(); });
    clock_.noteThread = [this] { spawners_.noteThread(); };
    // A boot may arrive before the pool has counted it.
    cpu_.changed = [this] { spawners_.noteChange(); };
    for (std::size_t app = 0; app < apps_.size(); app++) {
        byRoot_.emplace(apps_[app].appRoot, app);
    }
}

PoolWorld::~PoolWorld() {
    destroyPool();
}

PoolWorld::RequestPtr PoolWorld::ask(std::size_t app, std::uint32_t stickyId) {
    auto request = std::make_shared<Request>();
    request->number = ++lastNumber_;
    request->app = app;
    request->stickyId = stickyId;
    request->since = clock_.now();
    Options options = apps_[app];
    options.request.queue = QueueChoice::ofInstance(stickyId);
    request->maxInstances = options.maxInstances;
    if (options.maxQueueTime.count() > 0) {
        request->deadline = request->since + options.maxQueueTime;
    }
    request->waiting = requests_->ask(options);
    waiting_.push_back(request);
    return request;
}

void PoolWorld::release(const RequestPtr &request) {
    requests_->end(*request->session);
    request->session.reset();
}

void PoolWorld::cancel(const RequestPtr &request) {
    request->waiting.reset();
    std::erase(waiting_, request);
}

bool PoolWorld::kill(InstanceId instance) {
    if (!spawners_.kill(instance)) {
        return false;
    }
    requests_->step();
    return true;
}

void PoolWorld::finish(std::uint64_t boot, bool succeeds) {
    spawners_.finish(boot, succeeds);
}

void PoolWorld::pass(std::chrono::nanoseconds time) {
    clock_.clock.advance(time);
    pool_->upkeep();
}

void PoolWorld::destroyPool() {
    waiting_.clear();
    requests_.reset();
    pool_.reset();
}

PoolSnapshot PoolWorld::settle() {
    for (;;) {
        // Before the step: what a boot brings meanwhile asks for another one.
        const std::uint64_t changes = spawners_.changes();
        requests_->step();
        PoolSnapshot snapshot = pool_->inspect();
        unsigned starting = 0;
        for (const GroupSnapshot &group : snapshot.groups) {
            starting += group.starting;
        }
        if (spawners_.allWait(starting, changes)) {
            return snapshot;
        }
    }
}

void PoolWorld::settleBoots() {
    std::uint64_t changes = 0;
    do {
        changes = spawners_.changes();
        requests_->step();
    } while (!spawners_.allWait(cpu_.started - spawners_.ended(), changes));
}

std::vector<PoolWorld::RequestPtr> PoolWorld::takeAnswered() {
    std::vector<RequestPtr> answered;
    for (const RequestPtr &request : std::vector<RequestPtr>(waiting_)) {
        if (!request->waiting->over()) {
            continue;
        }
        request->answered = clock_.now();
        if (request->waiting->refused()) {
            request->failure = request->waiting->failure();
        } else {
            request->session = request->waiting->session();
            request->instance = spawners_.idOf(request->session->instance());
        }
        request->waiting.reset();
        std::erase(waiting_, request);
        answered.push_back(request);
    }
    return answered;
}

}  // namespace Passenger
