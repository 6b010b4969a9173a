#include "pool/Instances.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "base/Lists.h"
#include "restart/RestartFiles.h"

namespace Passenger {

namespace {

bool isServing(const ProcessPtr &process) {
    return process->state() == Process::State::SERVING;
}

bool isCompanion(const Process &process, std::uint64_t current) {
    return process.state() == Process::State::STANDBY && process.version() > current;
}

ProcessPtr firstOf(const std::vector<ProcessPtr> &all, const auto &condition) {
    const auto found = std::find_if(all.begin(), all.end(), condition);
    return found == all.end() ? nullptr : *found;
}

}  // namespace

// ----- Joining and ending

void Instances::add(const ProcessPtr &process) {
    all_.push_back(process);
    if (isServing(process)) {
        // The next pool process would take one that stands by for one that serves.
        deposit(*process);
    }
}

void Instances::serve(const ProcessPtr &process, bool restarts) {
    process->lifecycle().serve();
    deposit(*process, restarts);
}

void Instances::retireCompanions(std::uint64_t current) {
    for (const ProcessPtr &process : all_) {
        if (isCompanion(*process, current)) {
            retire(process);
        }
    }
}

void Instances::deposit(const Process &process, bool restarts) {
    if (process.pid() <= 0) {
        return;
    }
    const SpawnResult &parts = process.parts();
    InstanceNote note = process.note(queue_.name());
    note.restartFile = restarts ? RestartFiles::ASKED : note.restartFile;
    std::vector<InstanceStore::Part> claims{
        {queue_.cells().claims().memory().descriptor().get(), process.socket().cells}};
    for (const FormerClaims::Part *part :
         process.former() ? process.former()->inUse() : std::vector<const FormerClaims::Part *>()) {
        claims.push_back({part->claims.get(), part->cells});
    }
    store_.put(std::move(note), {parts.pidFd.get(), parts.control.descriptor().get(), parts.output->descriptor().get()},
               claims);
}

void Instances::noteRestart() {
    for (const ProcessPtr &process : all_) {
        if (isServing(process)) {
            deposit(*process, true);
        }
    }
}

void Instances::restartFailed(const std::string &seen) {
    for (const ProcessPtr &process : all_) {
        process->noteFailedDeployment(seen);
        if (isServing(process)) {
            deposit(*process);
        }
    }
}

void Instances::remove(const ProcessPtr &process) {
    // One that was told to end drops no request. If something else kills it at that moment, the
    // sender of the request that it took finds the queue empty, and sends it again.
    const bool swallows = queue_.isCurrent(process->socket().queue) && (process->endIsDeath() || process->killed());
    process->lifecycle().end();
    const bool hadQueue = process->closeOwnQueue();
    queue_.giveUp(process->socket().cells, process->killed(), swallows || hadQueue);
    if (process->former()) {
        process->former()->noteDeath(process->killed());
    }
    if (process->pid() > 0) {
        store_.remove(process->pid());
    }
    std::erase(all_, process);
    bury_(process);
}

void Instances::retire(const ProcessPtr &process) {
    process->lifecycle().drain(clock_.now());
    deposit(*process);
    process->pause().finish();
    publish();
    closeOwnQueue(*process);
}

void Instances::retireAll() {
    for (const ProcessPtr &process : all_) {
        if (process->stays()) {
            retire(process);
        }
    }
}

void Instances::retireOlderThan(std::uint64_t version) {
    for (const ProcessPtr &process : all_) {
        if (process->version() < version) {
            process->lifecycle().noteSuccessor();
            if (process->stays()) {
                retire(process);
            }
        }
    }
}

void Instances::publish() {
    queue_.publish(counts());
    *anyServes_ = serving() > 0;
}

/** The requests in it go to the application's queue. */
void Instances::closeOwnQueue(Process &process) {
    if (process.closeOwnQueue()) {
        queue_.recheckWaiting();
    }
}

void Instances::discard(const ProcessPtr &process) {
    process->lifecycle().end();
    process->kill();
    bury_(process);
}

std::vector<ProcessPtr> Instances::takeAll() {
    return std::exchange(all_, {});
}

// ----- Numbers

unsigned Instances::count(Process::State state) const noexcept {
    return static_cast<unsigned>(std::count_if(
        all_.begin(), all_.end(), [state](const ProcessPtr &process) { return process->state() == state; }));
}

unsigned Instances::companions(std::uint64_t current) const noexcept {
    return static_cast<unsigned>(std::count_if(
        all_.begin(), all_.end(), [&](const ProcessPtr &process) { return isCompanion(*process, current); }));
}

unsigned Instances::forkedCompanions(std::uint64_t current) const noexcept {
    return static_cast<unsigned>(std::count_if(all_.begin(), all_.end(), [&](const ProcessPtr &process) {
        return isCompanion(*process, current) && process->parts().origin != nullptr;
    }));
}

ProcessPtr Instances::standby(std::uint64_t current) const noexcept {
    return firstOf(all_, [&](const ProcessPtr &process) {
        return process->state() == Process::State::STANDBY && process->version() == current;
    });
}

bool Instances::serves(std::uint64_t version) const noexcept {
    return std::any_of(all_.begin(), all_.end(),
                       [&](const ProcessPtr &process) { return isServing(process) && process->version() == version; });
}

bool Instances::anyWorks() const noexcept {
    return std::any_of(all_.begin(), all_.end(), [](const ProcessPtr &process) {
        return isServing(process) || (process->state() == Process::State::DRAINING && !process->pause().isAtRest());
    });
}

unsigned Instances::busy() const {
    return static_cast<unsigned>(std::count_if(all_.begin(), all_.end(), [this](const ProcessPtr &process) {
        return isServing(process) && isBusy(*process);
    }));
}

InstanceCounts Instances::counts() const {
    InstanceCounts sum;
    for (const ProcessPtr &process : all_) {
        const unsigned places = process->socket().concurrency;
        const unsigned abandoned = std::min(places, queue_.abandoned().count(process->socket().cells));
        sum.places += places;
        sum.abandoned += abandoned;
        if (isServing(process)) {
            sum.capacity += places - abandoned;
            sum.serving++;
        }
    }
    return sum;
}

unsigned Instances::freeThreads() const {
    return sumOf(0U, all_, [this](const ProcessPtr &process) {
        const unsigned concurrency = process->socket().concurrency;
        return isServing(process) ? concurrency - std::min(concurrency, taken(*process)) : 0;
    });
}

/** How many requests it works at. */
unsigned Instances::taken(const Process &process) const {
    return queue_.cells().taken(process.socket().cells) + (process.former() ? process.former()->taken() : 0);
}

bool Instances::anyStays() const noexcept {
    return std::any_of(all_.begin(), all_.end(), [](const ProcessPtr &process) { return process->stays(); });
}

// ----- Single ones

ProcessPtr Instances::find(InstanceId id) const {
    return firstOf(all_, [id](const ProcessPtr &process) { return process->id() == id; });
}

ProcessPtr Instances::holder(ChannelId channel, Ticket ticket) const {
    return firstOf(all_, [&](const ProcessPtr &process) {
        return queue_.cells().holds(process->socket().cells, channel, ticket);
    });
}

FileDescriptor Instances::ownQueue(std::uint32_t stickyId) const {
    const ProcessPtr found = firstOf(all_, [stickyId](const ProcessPtr &process) {
        return process->stickyId() == stickyId && isServing(process) && process->ownQueue() &&
               !RequestQueue::closed(process->ownQueue()->sendingEnd().get());
    });
    return found ? found->ownQueue()->sendingEnd().duplicate() : FileDescriptor();
}

bool Instances::isUnused(const Process &process, MonotonicTime now, std::chrono::nanoseconds time) const {
    return !isBusy(process) && now - process.since() >= time &&
           timeSince(queue_.cells().answered(process.socket().cells)).value_or(time) >= time;
}

/** Nothing: it says that it has answered none, or in the future. */
std::optional<std::chrono::nanoseconds> Instances::timeSince(const AnsweredRequests &answered) const {
    // Read behind the counts: a time that comes later is invented.
    const std::uint64_t present = toNanoseconds(clock_.now());
    if (answered.last == 0 || answered.last > present) {
        return std::nullopt;
    }
    return std::chrono::nanoseconds(present - answered.last);
}

std::vector<ProcessPtr> Instances::idle() const {
    return those(all_, [this](const ProcessPtr &process) { return isServing(process) && !isBusy(*process); });
}

ProcessPtr Instances::leastNeeded() const {
    const std::vector<ProcessPtr> idle = this->idle();
    const auto oldest = std::min_element(
        idle.begin(), idle.end(), [](const ProcessPtr &a, const ProcessPtr &b) { return a->since() < b->since(); });
    return oldest == idle.end() ? firstOf(all_, isServing) : *oldest;
}

bool Instances::onlyWaits(Process &process, MonotonicTime now) const {
    return process.onlyWaits(now, cpu_);
}

unsigned Instances::drainingThatOnlyWait(MonotonicTime now) const {
    return static_cast<unsigned>(std::count_if(all_.begin(), all_.end(), [&](const ProcessPtr &process) {
        return process->state() == Process::State::DRAINING && onlyWaits(*process, now);
    }));
}

unsigned Instances::drainingWithStreamsOnly(MonotonicTime now) const {
    return static_cast<unsigned>(std::count_if(all_.begin(), all_.end(), [&](const ProcessPtr &process) {
        return process->state() == Process::State::DRAINING && process->pause().isAtRest() && onlyWaits(*process, now);
    }));
}

unsigned Instances::drainingTooLong(MonotonicTime now, std::chrono::nanoseconds time) const {
    return static_cast<unsigned>(std::count_if(all_.begin(), all_.end(), [&](const ProcessPtr &process) {
        return process->state() == Process::State::DRAINING && now - process->lifecycle().drainsSince() >= time &&
               !onlyWaits(*process, now) && process->cpuUse().judged();
    }));
}

ProcessPtr Instances::dueForReplacement() const {
    return firstOf(all_, [](const ProcessPtr &process) { return isServing(process) && process->lifecycle().isDue(); });
}

bool Instances::anyDueForReplacement() const noexcept {
    return std::any_of(all_.begin(), all_.end(),
                       [](const ProcessPtr &process) { return process->lifecycle().isDue(); });
}

bool Instances::anyReplaced() const noexcept {
    return std::any_of(all_.begin(), all_.end(),
                       [](const ProcessPtr &process) { return process->lifecycle().isReplaced(); });
}

// ----- Inspection

std::vector<RequestStatus> Instances::requests(MonotonicTime now) const {
    std::map<std::pair<std::uint64_t, std::uint64_t>, pid_t> taken;
    for (const ProcessPtr &process : all_) {
        for (const auto &[channel, ticket] : queue_.cells().claimed(process->socket().cells)) {
            taken.emplace(std::pair(channel.value(), ticket.value()), process->pid());
        }
    }
    std::vector<RequestStatus> requests;
    for (DescribedRequest &request : queue_.described()) {
        const auto found = taken.find({request.entry.channel, request.entry.ticket});
        requests.push_back({found == taken.end() ? 0 : found->second, inSeconds(now - sinceOf(request.entry)),
                            std::move(request.client), std::move(request.method), std::move(request.id),
                            std::move(request.uri)});
    }
    return requests;
}

std::vector<ProcessSnapshot> Instances::inspect(MonotonicTime now) const {
    auto snapshots = listOf(all_, [&](const ProcessPtr &process) { return inspect(*process, now); });
    if (std::any_of(all_.begin(), all_.end(), [this](const ProcessPtr &process) { return taken(*process) > 0; })) {
        noteAges(snapshots, now);
    }
    return snapshots;
}

/** For how long the requests of each instance have been in flight. */
void Instances::noteAges(std::vector<ProcessSnapshot> &processes, MonotonicTime now) const {
    const auto since = queue_.takenSince();
    for (ProcessSnapshot &process : processes) {
        const CellRange cells = process.cells;
        for (auto next = since.lower_bound(cells.first); next != since.end() && next->first < cells.first + cells.count;
             ++next) {
            process.busyFor = std::max(process.busyFor, inSeconds(now - next->second));
        }
    }
}

ProcessSnapshot Instances::inspect(const Process &process, MonotonicTime now) const {
    const CellRange cells = process.socket().cells;
    const AnsweredRequests answered = queue_.cells().answered(cells);
    ProcessSnapshot snapshot{process.measured(), process.id(), timeSince(answered), cells};
    snapshot.pid = process.pid();
    snapshot.state = nameOf(process.state());
    snapshot.version = process.version();
    snapshot.age = inSeconds(now - process.since());
    snapshot.adopted = process.former() != nullptr;
    snapshot.replacementReason = process.lifecycle().replacementReason();
    snapshot.concurrency = process.socket().concurrency;
    // An instance that is about to pause may take one more request before it learns of that.
    snapshot.sessions = std::max(taken(process), process.pause().mayStillTake() ? 1U : 0U);
    snapshot.processed = answered.count;
    if (process.former() && process.former()->taken() > 0) {
        // No sender tells since when: since before the take-over.
        snapshot.busyFor = snapshot.age;
    }
    return snapshot;
}

}  // namespace Passenger
