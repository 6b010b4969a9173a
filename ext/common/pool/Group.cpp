#include "pool/Group.h"

#include <algorithm>

#include "base/Exceptions.h"
#include "base/Log.h"
#include "io/RequestQueue.h"
#include "pool/MemorySession.h"
#include "pool/Pool.h"
#include "pool/ScalingPolicy.h"
#include "spawning/WaitStatus.h"

namespace Passenger {

namespace {

/** For an instance's parent to tell how it ended. A preloader that is stopped, say, does not. */
constexpr std::chrono::milliseconds WAIT_STATUS_LIMIT{1000};

}  // namespace

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
    rescale(after);
}

Attachment Group::attach(const Options &options, Generation unusable, AfterUnlock &after) {
    options_ = options;
    used_ = true;
    if (current_ && unusable == current_->number && RequestQueue::closed(current_->queue.sendingEnd().get())) {
        Log::error("event=queue.broken app=\"{}\" generation={}", name_, unusable.value());
        retireLine();
    }
    if (!current_) {
        makeLine();
    }
    rescale(after);
    return attachment();
}

void Group::release(Process &process, AfterUnlock &after) {
    process.socket.sessions--;
    process.lastUsed = context_.clock.now();
    if (process.state == Process::State::DRAINING && process.socket.sessions == 0) {
        const auto found = std::find_if(processes_.begin(), processes_.end(), [&](const ProcessPtr &p) { return p.get() == &process; });
        if (found != processes_.end()) {
            processDied(ProcessPtr(*found), after);
        }
        return;
    }
    giveWaiters(after);
    pool_.rescaleAll(after);
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
    return static_cast<unsigned>(std::count_if(processes_.begin(), processes_.end(),
                                               [](const ProcessPtr &p) { return p->state == Process::State::SERVING; }));
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
    return static_cast<unsigned>(
        std::count_if(processes_.begin(), processes_.end(), [](const ProcessPtr &p) { return p->socket.sessions > 0; }));
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

void Group::rescale(AfterUnlock &after) {
    static_cast<void>(after);
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
        startSpawnLoop();
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
        if (process->state == Process::State::SERVING && !busy(*process) && (!since || process->lastUsed < *since)) {
            since = process->lastUsed;
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

// ----- Ends

void Group::restart(AfterUnlock &after) {
    Log::notice("event=app.restart app=\"{}\"", name_);
    buryLater(std::move(spawner_));
    spawner_ = context_.factory.create(options_);
    notBefore_ = MonotonicTime{};
    const unsigned now = serving();
    if (!pulls_) {
        restoreTo_ = now;
        for (const ProcessPtr &process : std::vector<ProcessPtr>(processes_)) {
            if (process->state == Process::State::SERVING) {
                retire(process);
            }
        }
    } else if (now > 0) {
        restoreTo_ = std::max(now, restoreTo_);
        context_.lastGeneration = Generation(context_.lastGeneration.value() + 1);
        next_ = std::make_shared<LineGeneration>(LineGeneration{context_.lastGeneration, RequestQueue()});
    }
    rescale(after);
}

void Group::clear(AfterUnlock &after) {
    used_ = !waiters_.empty();
    restoreTo_ = 0;
    next_.reset();
    if (current_) {
        retireLine();
    }
    for (const ProcessPtr &process : std::vector<ProcessPtr>(processes_)) {
        if (process->state == Process::State::SERVING) {
            retire(process);
        }
    }
    rescale(after);
}

void Group::shutDown(AfterUnlock &after) {
    shutDown_ = true;
    if (spawner_) {
        spawner_->cancel();
    }
    refuseAll(GetFailure{GetFailure::Reason::SHUTTING_DOWN, "the application pool is shutting down", "", ""}, after);
    clear(after);
}

/** Answers everybody who waits and whom no instance has taken. */
void Group::refuseAll(const GetFailure &failure, AfterUnlock &after) {
    for (GetCallback &waiter : waiters_) {
        after.push_back([callback = std::move(waiter), failure] { callback(tl::make_unexpected(failure)); });
    }
    waiters_.clear();
    if (pulls_) {
        const std::uint16_t status = failure.reason == GetFailure::Reason::SPAWN_FAILED ? 500 : 503;
        const std::string &text = failure.report.empty() ? failure.summary : failure.report;
        for (const BoardEntry &entry : context_.channels.inFlight(slot_)) {
            context_.channels.tell(ChannelId(entry.channel), Ticket(entry.ticket), slot_, MessageType::REFUSED, status, failure.reportId,
                                   text);
        }
    }
}

/** Its parent tells how it ended, and may be slow; a thread waits for that, and nothing else does. */
void Group::logExit(Process &process, bool expected) {
    if (process.pid() <= 0) {
        return;
    }
    const auto waitStatus = std::make_shared<FileDescriptor>(process.takeWaitStatus());
    context_.threads.run("wait status", [name = name_, pid = process.pid(), waitStatus, expected] {
        const std::string how = readWaitStatus(*waitStatus, WAIT_STATUS_LIMIT);
        Log::write(expected ? LogLevel::INFO : LogLevel::WARN,
                   fmt::format("event=instance.exited app=\"{}\" pid={}{}", name, pid, how));
    });
}

void Group::processDied(const ProcessPtr &process, AfterUnlock &after) {
    if (process->state == Process::State::DEAD) {
        return;
    }
    const bool expected = process->state == Process::State::DRAINING;
    process->state = Process::State::DEAD;
    logExit(*process, expected);
    if (pulls_) {
        for (std::uint32_t i = 0; i < process->socket.cells.count; i++) {
            if (const std::optional<ClaimCell> claim = line_->claims().read(process->socket.cells.first + i)) {
                context_.channels.tell(ChannelId(claim->channel), Ticket(claim->ticket), slot_, MessageType::LOST);
            }
        }
        recheckWaiting();
        line_->free(process->socket.cells);
        context_.deposits.withdraw("instance:" + std::to_string(process->pid()));
    }
    std::erase(processes_, process);
    bury(process);
    if (!shutDown_) {
        publish();
        pool_.rescaleAll(after);
        if (pulls_ && current_ && !spawning_ && processes_.empty() && wantedNow() == 0) {
            retireLine();
        }
    }
}

/** A killed receiver swallows the message it just took: who waits unclaimed is asked to look. */
void Group::recheckWaiting() {
    for (const BoardEntry &entry : context_.channels.inFlight(slot_)) {
        if (!line_->claims().holds(ChannelId(entry.channel), Ticket(entry.ticket))) {
            context_.channels.tell(ChannelId(entry.channel), Ticket(entry.ticket), slot_, MessageType::RECHECK);
        }
    }
}

void Group::channelsGone(const std::vector<ChannelId> &channels) {
    if (!pulls_ || channels.empty()) {
        return;
    }
    Frame frame(FrameType::DROP);
    for (const ChannelId channel : channels) {
        line_->marks().withdrawAll(channel);
        frame.add(channel.value());
    }
    for (const ProcessPtr &process : processes_) {
        process->send(frame);
    }
}

void Group::resetMark(ChannelId channel) {
    line_->marks().reset(channel);
}

void Group::senderGone(std::uint32_t childSlot) {
    if (pulls_) {
        line_->marks().forgetChild(childSlot);
    }
}

void Group::processSent(Process &process, const Frame &frame) {
    if (frame.type != FrameType::FETCH) {
        return;
    }
    const ChannelId channel(frame.number(0));
    const FileDescriptor end = context_.channels.find(channel, slot_);
    Frame answer(end ? FrameType::CHANNEL : FrameType::NO_CHANNEL);
    answer.add(channel.value());
    process.send(answer, end ? std::vector<int>{end.get()} : std::vector<int>{});
}

std::vector<ProcessPtr> Group::takeProcesses() {
    return std::exchange(processes_, {});
}

std::shared_ptr<Spawner> Group::takeSpawner() {
    return std::exchange(spawner_, nullptr);
}

void Group::bury(ProcessPtr process) {
    context_.loop.post([process = std::move(process)] {});
}

void Group::buryLater(std::shared_ptr<Spawner> spawner) {
    spawner->cancel();
    context_.threads.run("end spawner", [spawner = std::move(spawner)]() mutable { spawner.reset(); });
}

}  // namespace Passenger
