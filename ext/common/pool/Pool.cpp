// Pool: requests, its beginning and its end.

#include "pool/Pool.h"

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

}  // namespace

Pool::Pool(const Parts &parts, const PoolSettings &settings)
    : context_{parts.loop, parts.factory, parts.channels, parts.clock, parts.store, parts.cpu},
      ownTimer_(parts.ownTimer),
      measureMemory_(parts.measureMemory),
      room_(context_.settings, bySlot_),
      timer_(parts.loop, [this] { upkeep(); }) {
    context_.settings = settings;
}

Pool::~Pool() {
    if (context_.loop.onLoopThread()) {
        misuse("a Pool was destroyed on its event loop, which it waits for");
    }
    shutDown();
    timer_.stop();
    std::unique_ptr<LocalSender> sender;
    {
        const PoolGuard guard(context_);
        sender.swap(sender_);
    }
    sender.reset();
    // Spawns under way notice the end; instances that still come are retired at once.
    context_.threads.join();
    std::vector<ProcessPtr> processes;
    std::vector<std::shared_ptr<Spawner>> spawners;
    {
        const PoolGuard guard(context_);
        for (Group *group : bySlot_) {
            for (ProcessPtr &process : group->instances().takeAll()) {
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
    // Buried processes are destroyed on the loop; after this they are.
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
    auto made =
        std::make_unique<SuperGroup>(*this, context_, room_, options, static_cast<std::uint32_t>(bySlot_.size()));
    Group &group = made->group();
    superGroups_.emplace(made->name(), std::move(made));
    bySlot_.push_back(&group);
    return group;
}

SessionPtr Pool::get(const Options &options) {
    return std::make_unique<QueueSession>(host(options));
}

void Pool::asyncGet(const Options &options, const GetCallback &callback) {
    SessionPtr session;
    try {
        session = get(options);
    } catch (const IOException &error) {
        callback(tl::make_unexpected(GetFailure{GetFailure::Reason::SHUTTING_DOWN, error.what()}));
        return;
    }
    callback(std::move(session));
}

QueueHostPtr Pool::host(const Options &options) {
    const PoolGuard guard(context_);
    if (context_.shuttingDown) {
        throw IOException(SHUTTING_DOWN.summary);
    }
    if (!sender_) {
        sender_ = std::make_unique<LocalSender>(*this);
    }
    return sender_->host(options);
}

Attachment Pool::attach(const Options &options, Generation unusable) {
    const PoolGuard guard(context_);
    if (context_.shuttingDown) {
        throw IOException(SHUTTING_DOWN.summary);
    }
    return find(options).attach(options, unusable);
}

void Pool::leave() {
    leaves_ = true;
    shutDown();
}

void Pool::shutDown() {
    const PoolGuard guard(context_);
    context_.shuttingDown = true;
    for (Group *group : bySlot_) {
        group->shutDown(!leaves_);
    }
}

}  // namespace Passenger
