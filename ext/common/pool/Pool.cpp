#include "pool/Pool.h"

#include <cstdlib>
#include <utility>

#include "base/Exceptions.h"
#include "base/Lists.h"
#include "exchange/MessageSession.h"
#include "log/Log.h"
#include "pool/LocalSender.h"
#include "pool/OwningSession.h"

namespace Passenger {

namespace {

const GetFailure SHUTTING_DOWN{GetFailure::Reason::SHUTTING_DOWN, "the application pool is shutting down"};

[[noreturn]] void misuse(const std::string &what) {
    Log::log(LogLevel::CRIT, "event=pool.misuse error=\"{}\"", what);
    std::abort();
}

}  // namespace

Pool::Pool(const Parts &parts, const PoolSettings &settings)
    : context_{parts.loop, parts.factory, parts.channels, parts.clock, parts.store, parts.cpu},
      room_(context_.settings, context_.orphans, context_.cpu),
      timer_(context_, parts.ownTimer ? std::function<void()>([this] { upkeep(); }) : nullptr),
      groups_(context_, room_, timer_, parts.maxApplications),
      senderEvents_(context_, groups_),
      restarts_(context_, groups_),
      memory_(context_, groups_, room_.memory(), parts.measureMemory, parts.memoryPressure) {
    context_.orphans.wait(settings.idleTime);
    const PoolGuard guard(context_);
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
    {
        const PoolGuard guard(context_);
        for (Group *group : groups_.all()) {
            for (ProcessPtr &process : group->instances().takeAll()) {
                processes.push_back(std::move(process));
            }
        }
    }
    // Without the lock: watchers wait for a callback that runs, and callbacks take the lock.
    processes.clear();
    context_.threads.join();
    // The loop destroys buried processes, also those that a thread has buried just now.
    context_.loop.runSync([] {});
}

void Pool::restore(const std::string &key, const std::string &note, std::vector<FileDescriptor> descriptors) {
    if (key != QueuePauses::KEY) {
        context_.orphans.restore(key, note, std::move(descriptors));
        return;
    }
    const PoolGuard guard(context_);
    context_.pauses.restore(note, context_.clock.now());
}

// ----- Requests

MessageSessionPtr Pool::get(const Options &options) {
    return std::make_unique<OwningSession<MessageSession>>(host(options), options);
}

QueueHostPtr Pool::host(const Options &options) {
    const PoolGuard guard(context_);
    if (context_.shuttingDown) {
        throw RefusedException(SHUTTING_DOWN.status(), "", SHUTTING_DOWN.summary);
    }
    if (!sender_) {
        sender_ = std::make_unique<LocalSender>(*this);
    }
    return sender_->host(options);
}

Attachment Pool::attach(const Options &options, Generation unusable) {
    const PoolGuard guard(context_);
    if (context_.shuttingDown) {
        throw RefusedException(SHUTTING_DOWN.status(), "", SHUTTING_DOWN.summary);
    }
    return groups_.findOrMake(options).attach(options, unusable);
}

bool Pool::takeOptions(const Options &options) noexcept {
    try {
        const PoolGuard guard(context_);
        Group *group = context_.shuttingDown ? nullptr : groups_.find(options.groupName());
        if (group != nullptr) {
            group->takeOptions(options);
        }
        return group != nullptr;
    } catch (const std::exception &error) {
        Log::error("event=attach.failed app=\"{}\" error=\"{}\"", options.groupName(), error.what());
        return false;
    }
}

void Pool::leave() {
    leaves_ = true;
    shutDown();
}

void Pool::shutDown() {
    const PoolGuard guard(context_);
    context_.shuttingDown = true;
    context_.orphans.limit(0);
    for (Group *group : groups_.all()) {
        group->shutDown(!leaves_);
    }
}

// ----- Orders and questions

void Pool::configure(const PoolSettings &settings) {
    context_.orphans.wait(settings.idleTime);
    const PoolGuard guard(context_);
    room_.memory().budgetChanges(settings.memoryBudget);
    context_.settings = settings;
    room_.trim();
    for (Group *group : groups_.all()) {
        group->settingsChanged();
    }
}

void Pool::setMax(unsigned max) {
    const PoolGuard guard(context_);
    context_.settings.maxSize = max;
    room_.trim();
    room_.mayHaveCome();
}

unsigned Pool::getActive() const {
    const PoolGuard guard(context_);
    return sumOf(sumOf(0U, context_.orphans.inspect(), &OrphanSnapshot::sessions), groups_.all(),
                 [](const Group *group) REQUIRES(poolLock) { return group->queue().cells().claims().taken(); });
}

unsigned Pool::getCount() const {
    const PoolGuard guard(context_);
    return sumOf(static_cast<unsigned>(context_.orphans.inspect().size()), groups_.all(),
                 [](const Group *group) REQUIRES(poolLock) { return group->instances().living(); });
}

std::chrono::seconds Pool::longestStop() const {
    const PoolGuard guard(context_);
    std::chrono::seconds longest{0};
    for (const Group *group : groups_.all()) {
        const bool waits = group->instances().living() > 0 && group->options().startsByBridge();
        longest = std::max(longest, waits ? group->options().stopTimeout : std::chrono::seconds(0));
    }
    return longest;
}

pid_t Pool::getSpawnServerPid() const {
    return context_.factory.spawnServerPid();
}

void Pool::clear() {
    const PoolGuard guard(context_);
    context_.orphans.limit(0);
    for (Group *group : groups_.all()) {
        group->clear();
    }
    room_.mayHaveCome();
}

std::shared_ptr<const Report> Pool::report(std::string_view id, std::string_view app) const {
    const std::shared_ptr<const Report> found = report(id);
    return found && found->app == app ? found : nullptr;
}

std::shared_ptr<const Report> Pool::report(std::string_view id) const {
    const PoolGuard guard(context_);
    return context_.reports.find(id);
}

PoolSnapshot Pool::inspect() const {
    PoolSnapshot snapshot;
    std::vector<std::string> names;
    {
        const PoolGuard guard(context_);
        snapshot.maxSize = context_.settings.maxSize;
        snapshot.size = room_.size();
        snapshot.waitingForRoom = room_.waiting();
        snapshot.memoryBudget = room_.memory().budget();
        snapshot.memoryUsed = room_.memory().used();
        snapshot.forgotten = groups_.forgotten();
        snapshot.withoutSlot = groups_.withoutSlot();
        names = listOf(groups_.all(), &Group::name);
    }
    snapshot.groups.reserve(names.size());
    for (const std::string &name : names) {
        context_.giveWay();
        const PoolGuard guard(context_);
        if (const Group *group = groups_.find(name)) {
            snapshot.groups.push_back(group->inspect(context_.clock.now()));
        }
    }
    return snapshot;
}

std::vector<RequestStatus> Pool::requests(const std::string &name, std::size_t most) const {
    std::vector<RequestStatus> requests;
    {
        const PoolGuard guard(context_);
        const Group *group = groups_.find(name);
        requests = group != nullptr ? group->instances().requests(context_.clock.now()) : requests;
    }
    std::sort(requests.begin(), requests.end(),
              [](const RequestStatus &a, const RequestStatus &b) { return a.age > b.age; });
    requests.resize(std::min(requests.size(), most));
    return requests;
}

bool Pool::askForThreads(const std::string &name) {
    const PoolGuard guard(context_);
    Group *group = groups_.find(name);
    if (group == nullptr) {
        return false;
    }
    for (const ProcessPtr &process : group->instances().all()) {
        process->backtraces().ask();
    }
    return true;
}

std::vector<ThreadsSnapshot> Pool::threads(const std::string &name) const {
    const PoolGuard guard(context_);
    std::vector<ThreadsSnapshot> all;
    if (const Group *group = groups_.find(name)) {
        for (const ProcessPtr &process : group->instances().all()) {
            all.push_back(
                {process->pid(), process->backtraces().last().has_value(), process->backtraces().last().value_or("")});
        }
    }
    return all;
}

bool Pool::restart(const std::string &name) {
    const PoolGuard guard(context_);
    Group *group = groups_.find(name);
    if (!group || context_.shuttingDown) {
        return context_.orphans.askRestart(name);
    }
    group->restart("it was ordered");
    return true;
}

/** Calls `what` for the instance. False: there is no such instance. */
bool Pool::order(InstanceId instance, const Order &what) {
    // Released after the lock.
    ProcessPtr process;
    const PoolGuard guard(context_);
    for (Group *group : groups_.all()) {
        process = group->instances().find(instance);
        if (process) {
            what(*group, process);
            return true;
        }
    }
    return false;
}

bool Pool::detach(InstanceId instance) {
    return order(instance, [](Group &group, const ProcessPtr &process) REQUIRES(poolLock) { group.detach(process); });
}

bool Pool::pause(const std::string &name, std::chrono::nanoseconds most) {
    const PoolGuard guard(context_);
    const MonotonicTime until = context_.clock.now() + most;
    if (Group *group = groups_.find(name)) {
        group->pause(until);
        return true;
    }
    const bool known = context_.orphans.waiting(name) > 0 || context_.pauses.until(name);
    if (known) {
        context_.pauses.begin(name, until);
    }
    return known;
}

bool Pool::resume(const std::string &name) {
    const PoolGuard guard(context_);
    Group *group = groups_.find(name);
    if (group == nullptr) {
        const bool paused = context_.pauses.until(name).has_value();
        context_.pauses.end(name);
        return paused;
    }
    group->resume();
    return true;
}

std::map<std::string, std::chrono::nanoseconds> Pool::pauses() const {
    const PoolGuard guard(context_);
    const MonotonicTime now = context_.clock.now();
    std::map<std::string, std::chrono::nanoseconds> left;
    for (const auto &[app, until] : context_.pauses.all()) {
        if (until > now) {
            left[app] = until - now;
        }
    }
    return left;
}

std::string Pool::pausesNote() const {
    const PoolGuard guard(context_);
    return context_.pauses.note();
}

void Pool::tryAgain(const std::string &name) {
    const PoolGuard guard(context_);
    Group *group = groups_.find(name);
    if (group == nullptr || context_.shuttingDown) {
        return;
    }
    try {
        group->tryAgain(context_.clock.now());
    } catch (const std::exception &error) {
        // No descriptors for a queue; the next question tries again.
        Log::error("event=spawn.not_started app=\"{}\" error=\"{}\"", name, error.what());
    }
}

void Pool::abandon(const std::string &name) {
    const PoolGuard guard(context_);
    if (context_.shuttingDown) {
        return;
    }
    Group *group = groups_.find(name);
    const unsigned orphans = context_.orphans.waiting(name);
    if (group != nullptr ? !group->disuse().isAbandoned() : orphans > 0) {
        const std::size_t others = group != nullptr ? group->instances().all().size() : 0;
        Log::notice("event=app.removed app=\"{}\" instances={}", name, orphans + others);
    }
    context_.orphans.end(name);
    if (group != nullptr) {
        group->abandon();
    }
}

std::vector<Options> Pool::applications() const {
    const PoolGuard guard(context_);
    return listOf(groups_.all(), &Group::options);
}

std::vector<Options> Pool::monitored() const {
    const PoolGuard guard(context_);
    return listOf(those(groups_.all(), &Group::isMonitored), &Group::options);
}

// ----- By the clock, and from senders

void Pool::upkeep() {
    const PoolGuard guard(context_);
    const MonotonicTime now = context_.clock.now();
    memory_.startIfDue(now);
    std::vector<Group *> forgettable;
    for (Group *group : timer_.due(now)) {
        group->doWhatIsDue(now);
        group->endIfAbandoned();
        if (group->isForgettable(now)) {
            forgettable.push_back(group);
        }
    }
    for (Group *group : forgettable) {
        groups_.forget(*group);
    }
    room_.trim();
    timer_.arm();
}

void Pool::rescale() {
    const PoolGuard guard(context_);
    for (Group *group : groups_.all()) {
        if (group->asks()) {
            group->rescale();
        }
    }
}

}  // namespace Passenger
