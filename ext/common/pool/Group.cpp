#include "pool/Group.h"

#include <algorithm>

#include "base/Exceptions.h"
#include "base/Log.h"
#include "io/RequestQueue.h"
#include "pool/MemorySession.h"
#include "pool/Pool.h"
#include "pool/QueueHost.h"
#include "pool/ScalingPolicy.h"

namespace Passenger {

Group::Group(Pool &pool, PoolContext &context, const Options &options, std::uint32_t slot)
    : pool_(pool),
      context_(context),
      name_(options.groupName()),
      slot_(slot),
      pulls_(context.factory.instancesPull(options)),
      options_(options),
      restartFiles_(options.appRoot, options.restartDir),
      spawner_(context.factory.create(options)) {
    if (pulls_) {
        line_.emplace(slot);
    }
}

Group::~Group() = default;

// ----- Asking for instances

void Group::get(const Options &options, GetCallback callback, AfterUnlock &after) {
    options_ = options;
    used_ = true;
    waiters_.push_back(std::move(callback));
    peak_ = std::max(peak_, inFlight());
    giveWaiters(after);
    rescale();
}

Attachment Group::attach(const Options &options, Generation unusable) {
    if (!current_ && unusable && unusable == failedGeneration_) {
        throw RefusedException(failure_.status(), failure_.reportId, failure_.text());
    }
    options_ = options;
    used_ = true;
    if (current_ && unusable == current_->number && RequestQueue::closed(current_->queue.sendingEnd().get())) {
        Log::error("event=queue.broken app=\"{}\" generation={}", name_, unusable.value());
        retireLine();
    }
    if (!current_) {
        makeLine();
    }
    rescale();
    return attachment();
}

void Group::release(Process &process, AfterUnlock &after) {
    process.socket.sessions--;
    process.lastUsed = context_.clock.now();
    if (process.state == Process::State::DRAINING && process.socket.sessions == 0) {
        const auto found = std::find_if(processes_.begin(), processes_.end(),
                                        [&](const ProcessPtr &p) { return p.get() == &process; });
        if (found != processes_.end()) {
            processDied(ProcessPtr(*found));
        }
        return;
    }
    giveWaiters(after);
    pool_.rescaleAll();
}

/** First come, first served; to the instance that has been idle for the shortest time, so that surplus ones stay idle. */
void Group::giveWaiters(AfterUnlock &after) {
    while (!waiters_.empty()) {
        ProcessPtr best;
        for (const ProcessPtr &process : processes_) {
            if (process->state == Process::State::SERVING && !process->socket.full() &&
                (!best || process->socket.sessions < best->socket.sessions ||
                 (process->socket.sessions == best->socket.sessions && process->lastUsed > best->lastUsed))) {
                best = process;
            }
        }
        if (!best) {
            return;
        }
        best->socket.sessions++;
        auto session = std::make_shared<SessionPtr>(openSession(best));
        after.push_back([callback = std::move(waiters_.front()), session] { callback(std::move(*session)); });
        waiters_.pop_front();
    }
}

SessionPtr Group::openSession(const ProcessPtr &process) {
    return std::make_unique<MemorySession>(process, [this, process] { pool_.released(*this, *process); });
}

// ----- How many

unsigned Group::serving() const {
    return static_cast<unsigned>(std::count_if(
        processes_.begin(), processes_.end(), [](const ProcessPtr &p) { return p->state == Process::State::SERVING; }));
}

unsigned Group::size() const {
    return serving() + (spawning_ ? 1 : 0);
}

unsigned Group::living() const {
    return static_cast<unsigned>(processes_.size());
}

std::vector<pid_t> Group::pids() const {
    std::vector<pid_t> pids;
    for (const ProcessPtr &process : processes_) {
        pids.push_back(process->pid());
    }
    return pids;
}

unsigned Group::active() const {
    if (pulls_) {
        return line_->claims().taken();
    }
    return static_cast<unsigned>(std::count_if(processes_.begin(), processes_.end(),
                                               [](const ProcessPtr &p) { return p->socket.sessions > 0; }));
}

unsigned Group::inFlight() const {
    if (pulls_) {
        return line_->marks().inFlight(context_.channels.childSlots());
    }
    unsigned sessions = static_cast<unsigned>(waiters_.size());
    for (const ProcessPtr &process : processes_) {
        sessions += process->state == Process::State::SERVING ? process->socket.sessions : 0;
    }
    return sessions;
}

/** How many instances to start, the pool's limit apart. */
unsigned Group::wantedNow() const {
    if (shutDown_ || context_.shuttingDown || (pulls_ && !current_)) {
        return 0;
    }
    const unsigned now = serving();
    ScalingSnapshot snapshot;
    snapshot.instances = now;
    snapshot.threads = pulls_ ? options_.threads : 1;
    snapshot.inFlight = inFlight();
    snapshot.minInstances = options_.minInstances;
    snapshot.maxInstances = options_.maxInstances;
    snapshot.used = used_;
    unsigned wanted = instancesToStart(snapshot);
    const bool nobodyServes = now == 0 && (pulls_ || !waiters_.empty());
    if (nobodyServes || next_) {
        return std::max(wanted, 1U);
    }
    wanted = std::max(wanted, restoreTo_ > now ? restoreTo_ - now : 0);
    return context_.clock.now() < notBefore_ ? 0 : wanted;
}

void Group::rescale() {
    if (spawning_) {
        return;
    }
    if (wantedNow() == 0) {
        // While more is in flight than there is room for, and nothing to be done about it, children need not call again.
        if (pulls_ && inFlight() <= serving() * options_.threads) {
            line_->marks().clearWanted();
        }
        return;
    }
    if (next_ || pool_.makeRoom(*this)) {
        try {
            startSpawnLoop();
        } catch (const std::exception &error) {
            // No thread to be had: the timer tries again.
            Log::error("event=spawn.not_started app=\"{}\" error=\"{}\"", name_, error.what());
        }
    }
}

bool Group::busy(const Process &process) const {
    if (!pulls_) {
        return process.socket.sessions > 0;
    }
    for (std::uint32_t i = 0; i < process.socket.cells.count; i++) {
        if (line_->claims().read(process.socket.cells.first + i)) {
            return true;
        }
    }
    return false;
}

void Group::collectIdle(MonotonicTime now) {
    const unsigned current = inFlight();
    const unsigned peak = pulls_ ? line_->marks().takePeak(context_.channels.childSlots()) : std::max(peak_, current);
    peak_ = current;
    if (peak > 0) {
        lastBusy_ = now;
    }
    endSlowDrains(now);
    idle_.note(now, peak, context_.settings.idleTime);
    const unsigned threads = pulls_ ? options_.threads : 1;
    unsigned surplus = idle_.surplus(now, context_.settings.idleTime, serving(), options_.minInstances, threads);
    // The youngest go first: they have the least of what an application warms up.
    const std::vector<ProcessPtr> candidates(processes_.rbegin(), processes_.rend());
    for (const ProcessPtr &process : candidates) {
        if (surplus == 0) {
            break;
        }
        if (process->state == Process::State::SERVING && !busy(*process)) {
            Log::info("event=instance.idle app=\"{}\" pid={}", name_, process->pid());
            retire(process);
            surplus--;
        }
    }
    if (pulls_ && current_ && !spawning_ && serving() == 0 && current == 0) {
        retireLine();
    }
}

std::optional<MonotonicTime> Group::evictable() const {
    std::optional<MonotonicTime> since;
    for (const ProcessPtr &process : processes_) {
        // Who pulls says nothing when it is done; the group's last request stands for all of them.
        const MonotonicTime used = pulls_ ? std::max(lastBusy_, process->since()) : process->lastUsed;
        if (process->state == Process::State::SERVING && !busy(*process) && (!since || used < *since)) {
            since = used;
        }
    }
    if (inFlight() > 0 && serving() <= 1) {
        return std::nullopt;
    }
    return since;
}

void Group::evict() {
    for (const ProcessPtr &process : std::vector<ProcessPtr>(processes_)) {
        if (process->state == Process::State::SERVING && !busy(*process)) {
            Log::info("event=instance.evicted app=\"{}\" pid={}", name_, process->pid());
            used_ = false;
            retire(process);
            break;
        }
    }
    if (pulls_ && current_ && !spawning_ && serving() == 0) {
        retireLine();
    }
}

/** Takes it out of service. In memory it is gone at once, a real one ends when it is done. */
void Group::retire(const ProcessPtr &process) {
    process->state = Process::State::DRAINING;
    if (pulls_) {
        process->finish();
        publish();
    } else if (process->socket.sessions == 0) {
        process->state = Process::State::DEAD;
        bury(process);
        std::erase(processes_, process);
    }
}

}  // namespace Passenger
