// Pool: requests, its beginning and its end.

#include "pool/Pool.h"

#include <condition_variable>
#include <cstdlib>
#include <utility>

#include "base/Exceptions.h"
#include "exchange/QueueSession.h"
#include "log/Log.h"
#include "pool/LocalSender.h"

namespace Passenger {

namespace {

const GetFailure SHUTTING_DOWN{GetFailure::Reason::SHUTTING_DOWN, "the application pool is shutting down"};

[[noreturn]] void misuse(const std::string &what) {
    Log::write(LogLevel::CRIT, "event=pool.misuse error=\"" + what + "\"");
    std::abort();
}

[[noreturn]] void fail(const GetFailure &failure) {
    switch (failure.reason) {
        case GetFailure::Reason::SPAWN_FAILED:
            throw failure.report ? SpawnException(*failure.report) : SpawnException(failure.summary);
        case GetFailure::Reason::SHUTTING_DOWN:
            throw IOException(failure.summary);
        default:
            throw RefusedException(failure.status(), failure.reportId(), failure.summary);
    }
}

}  // namespace

Pool::Pool(const Parts &parts, const PoolSettings &settings)
    : context_{parts.loop, parts.factory, parts.channels, parts.clock, parts.store, parts.cpu},
      ownTimer_(parts.ownTimer),
      measureMemory_(parts.measureMemory),
      timer_(parts.loop, [this] { upkeep(); }) {
    context_.settings = settings;
}

Pool::~Pool() {
    if (context_.loop.onLoopThread()) {
        misuse("a Pool was destroyed on its event loop, which it waits for");
    }
    shutDown();
    timer_.stop();
    // Spawns under way see that it is over; what they still bring is retired at once.
    context_.threads.join();
    std::vector<ProcessPtr> processes;
    std::vector<std::shared_ptr<Spawner>> spawners;
    {
        const PoolGuard guard(context_);
        for (Group *group : bySlot_) {
            for (ProcessPtr &process : group->takeProcesses()) {
                processes.push_back(std::move(process));
            }
            for (std::shared_ptr<Spawner> &spawner : group->takeSpawners()) {
                spawners.push_back(std::move(spawner));
            }
        }
    }
    // Without the lock: watchers wait for a callback that runs, and callbacks take the lock.
    processes.clear();
    spawners.clear();
    // What was buried before is destroyed on the loop; after this it is.
    context_.loop.runSync([] {});
    context_.threads.join();
}

Group &Pool::find(const Options &options) {
    const auto found = superGroups_.find(options);
    if (found != superGroups_.end()) {
        return found->second->group();
    }
    if (bySlot_.size() == GenerationLayout::GROUPS) {
        throw IOException("4,096 applications are known already, the most that may be");
    }
    auto made = std::make_unique<SuperGroup>(*this, context_, options, static_cast<std::uint32_t>(bySlot_.size()));
    Group &group = made->group();
    superGroups_.emplace(made->name(), std::move(made));
    bySlot_.push_back(&group);
    return group;
}

SessionPtr Pool::get(const Options &options) {
    if (context_.loop.onLoopThread()) {
        misuse("Pool::get() was called on the event loop, which it waits for; asyncGet() is for that");
    }
    {
        // Mostly an instance is free, and there is nothing to wait for.
        const PoolGuard guard(context_);
        if (!context_.shuttingDown) {
            if (SessionPtr session = find(options).tryOpen(options)) {
                return session;
            }
        }
    }
    Mutex mutex{Locks::WAITER};
    std::condition_variable arrived;
    std::optional<GetOutcome> outcome;
    asyncGet(options, [&](GetOutcome result) {
        const LockGuard guard(mutex);
        outcome.emplace(std::move(result));
        arrived.notify_one();
    });
    LockGuard guard(mutex);
    while (!outcome) {
        guard.wait(arrived);
    }
    if (!*outcome) {
        fail(outcome->error());
    }
    return std::move(**outcome);
}

Pool::Waiting Pool::asyncGet(const Options &options, GetCallback callback) {
    AfterUnlock after;
    SessionPtr session;
    Waiting waiting;
    bool pulls = false;
    bool over = false;
    {
        const PoolGuard guard(context_);
        over = context_.shuttingDown;
        if (!over) {
            Group &group = find(options);
            waiting.groupSlot = group.slot();
            pulls = group.pulls();
            if (!pulls && !(session = group.tryOpen(options))) {
                waiting.id = group.wait(options, std::move(callback), after);
            }
        }
    }
    if (over) {
        callback(tl::make_unexpected(SHUTTING_DOWN));
    } else if (pulls) {
        callback(std::make_unique<QueueSession>(LocalSender::host(*this, options)));
    } else if (session) {
        callback(std::move(session));
    }
    run(after);
    return waiting;
}

void Pool::cancel(const Waiting &waiting) {
    AfterUnlock after;
    {
        const PoolGuard guard(context_);
        if (waiting.groupSlot < bySlot_.size()) {
            bySlot_[waiting.groupSlot]->cancel(waiting.id, after);
        }
    }
    run(after);
}

Attachment Pool::attach(const Options &options, Generation unusable) {
    const PoolGuard guard(context_);
    if (context_.shuttingDown) {
        throw IOException(SHUTTING_DOWN.summary);
    }
    Group &group = find(options);
    if (!group.pulls()) {
        throw IOException(group.name() + " runs in memory: there is no queue to its instances");
    }
    return group.attach(options, unusable);
}

void Pool::released(Group &group, const ProcessPtr &process, MonotonicTime opened) {
    AfterUnlock after;
    {
        const PoolGuard guard(context_);
        group.release(process, opened, after);
    }
    run(after);
}

void Pool::leave() {
    leaves_ = true;
    shutDown();
}

void Pool::shutDown() {
    AfterUnlock after;
    {
        const PoolGuard guard(context_);
        context_.shuttingDown = true;
        for (Group *group : bySlot_) {
            group->shutDown(!leaves_, after);
        }
    }
    run(after);
}

}  // namespace Passenger
