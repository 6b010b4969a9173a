#include "pool/ApplicationQueue.h"

#include <algorithm>
#include <functional>
#include <utility>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/Lists.h"
#include "rights/Rights.h"

namespace Passenger {

RequestQueue makeRequestQueue(unsigned requests) {
    RequestQueue queue(requests);
    Rights::ofThisProcess().giveRoom(queue.sendingEnd(), queue.missingRoom());
    return queue;
}

MonotonicTime sinceOf(const InFlightEntry &entry) {
    return MonotonicTime(std::chrono::nanoseconds(std::min<std::uint64_t>(entry.since, INT64_MAX)));
}

ApplicationQueue::ApplicationQueue(std::uint32_t slot, std::string name, ChannelRegistry &channels,
                                   DescriptorStore &store)
    : slot_(slot), name_(std::move(name)), channels_(channels), store_(store), abandoned_(cells_.claims()) {}

// ----- Cells

QueueHandover ApplicationQueue::handOver(const QueueGenerationPtr &queue, std::uint32_t wanted, std::uint32_t atLeast) {
    // Before the cells are taken: these throw when no descriptor is left.
    FileDescriptor claims = cells_.claims().memory().descriptor().duplicate();
    FileDescriptor senders = senders_.memory().readOnlyDescriptor();
    reclaim();
    const std::optional<CellRange> cells = cells_.allocate(wanted, atLeast);
    if (!cells) {
        throw SpawnException(
            fmt::format("{} has more than {} threads in all its instances", name_, ClaimsLayout::CELLS));
    }
    return QueueHandover{queue, *cells, std::move(claims), std::move(senders), false};
}

void ApplicationQueue::giveUp(const CellRange &cells, bool killed, bool swallows) {
    const std::uint16_t status = killed ? 502 : 0;
    const std::vector<ClaimCell> all = cells_.claims().read(cells.first, cells.count);
    std::vector<std::uint32_t> untold;
    for (std::uint32_t i = 0; i < cells.count; i++) {
        const ClaimCell &claim = all[i];
        if (claim.channel == 0) {
            continue;
        }
        if (channels_.tell(ChannelId(claim.channel), Ticket(claim.ticket), slot_, MessageType::LOST, status)) {
            lost_.emplace_back(claim.channel, claim.ticket);
        } else {
            // Until LOST finds room in the channel, nothing else says that the request was begun.
            cells_.claims().noteDeath(cells.first + i, killed);
            untold.push_back(cells.first + i);
        }
    }
    cells_.clearStrayClaims();
    if (swallows) {
        recheckWaiting();
    }
    // What lies between those that stay.
    std::uint32_t next = cells.first;
    for (const std::uint32_t cell : untold) {
        cells_.free({next, cell - next});
        next = cell + 1;
    }
    cells_.free({next, cells.first + cells.count - next});
    untold_.insert(untold_.end(), untold.begin(), untold.end());
}

/** Frees the cells that tell of a death once no exchange waits for that. */
void ApplicationQueue::reclaim() {
    if (untold_.empty()) {
        return;
    }
    const std::vector<InFlightEntry> inFlight = channels_.inFlight(slot_);
    std::erase_if(untold_, [&](std::uint32_t cell) {
        const std::optional<ClaimCell> claim = cells_.claims().read(cell);
        const bool waitedFor =
            claim && std::any_of(inFlight.begin(), inFlight.end(), [&](const InFlightEntry &entry) {
                return (entry.channel | ClaimsLayout::DIED) == (claim->channel & ~ClaimsLayout::KILLED) &&
                       entry.ticket == claim->ticket;
            });
        if (!waitedFor) {
            cells_.free({cell, 1});
        }
        return !waitedFor;
    });
}

std::vector<std::pair<ChannelId, Ticket>> ApplicationQueue::repeatable(const CellRange &cells) const {
    std::vector<std::pair<ChannelId, Ticket>> all = cells_.claimed(cells);
    std::vector<std::pair<ChannelId, Ticket>> repeatable;
    if (all.empty()) {
        return repeatable;
    }
    std::sort(all.begin(), all.end());
    for (const DescribedRequest &request : described()) {
        const std::pair id(ChannelId(request.entry.channel), Ticket(request.entry.ticket));
        const bool repeats = request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS";
        if (repeats && std::binary_search(all.begin(), all.end(), id)) {
            repeatable.push_back(id);
        }
    }
    return repeatable;
}

// ----- Generations

void ApplicationQueue::makeCurrent(QueueGenerationPtr generation) {
    const QueueGenerationPtr old = std::exchange(current_, std::move(generation));
    publishNoneServing();
    retire(old);
    const RequestQueue &queue = current_->queue;
    std::vector<int> ends{queue.sendingEnd().get(), queue.receivingEnd().get()};
    if (current_->priority) {
        ends.push_back(current_->priority->sendingEnd().get());
    }
    store_.put(storeKey(*current_), name_, ends);
    recheckWaiting();
}

void ApplicationQueue::close() {
    const QueueGenerationPtr old = std::exchange(current_, nullptr);
    publishNoneServing();
    retire(old);
    recheckWaiting();
}

void ApplicationQueue::retire(const QueueGenerationPtr &generation) {
    if (generation) {
        generation->shutDown();
        store_.remove(storeKey(*generation));
    }
}

std::string ApplicationQueue::storeKey(const QueueGeneration &generation) const {
    return fmt::format("queue:{}:{}", slot_, generation.number.value());
}

void ApplicationQueue::publish(const InstanceCounts &instances) {
    published_ = instances;
    channels_.generations().publish(slot_, current_ ? current_->number : Generation(), instances);
    senders_.clearWanted();
}

/** Instances of an earlier generation may still work. */
void ApplicationQueue::publishNoneServing() {
    publish({0, published_.places, published_.abandoned, 0});
}

Attachment ApplicationQueue::attachment() const {
    return Attachment{slot_,
                      current_->number,
                      current_->queue.sendingEnd().duplicate(),
                      cells_.claims().memory().readOnlyDescriptor(),
                      senders_.memory().descriptor().duplicate(),
                      FileDescriptor()};
}

FileDescriptor ApplicationQueue::prioritySending() const {
    const std::optional<RequestQueue> &priority = current_->priority;
    const bool usable = priority && !RequestQueue::closed(priority->sendingEnd().get());
    return (usable ? *priority : current_->queue).sendingEnd().duplicate();
}

// ----- Requests that wait

unsigned ApplicationQueue::inFlight() const {
    return senders_.inFlight(channels_.childSlots());
}

unsigned ApplicationQueue::untaken() const {
    const unsigned all = inFlight();
    const unsigned taken = all > 0 ? cells_.claims().taken() : 0;
    const unsigned wanted = taken > 0 ? taken - std::min(abandoned_.count(), taken) : 0;
    return all > wanted ? all - wanted : 0;
}

std::optional<MonotonicTime> ApplicationQueue::oldestUntaken(bool all) const {
    const std::vector<InFlightEntry> entries = withoutClaimed(channels_.inFlight(slot_));
    // Read after the claims: a request whose answer ends in between does not wait.
    const MonotonicTime from = all || entries.empty() ? MonotonicTime() : lastAnswer();
    std::optional<MonotonicTime> oldest;
    for (const InFlightEntry &entry : entries) {
        if (sinceOf(entry) >= from) {
            oldest = earlier(oldest, sinceOf(entry));
        }
    }
    return oldest;
}

MonotonicTime ApplicationQueue::lastAnswer() const {
    std::uint64_t last = 0;
    for (const ClaimCell &cell : cells_.claims().all()) {
        last = std::max(last, cell.lastUsed);
    }
    return MonotonicTime(std::chrono::nanoseconds(std::min<std::uint64_t>(last, INT64_MAX)));
}

std::map<std::uint32_t, MonotonicTime> ApplicationQueue::takenSince() const {
    std::map<std::pair<std::uint64_t, std::uint64_t>, MonotonicTime> sent;
    for (const InFlightEntry &entry : channels_.inFlight(slot_)) {
        sent.emplace(std::pair(entry.channel, entry.ticket), sinceOf(entry));
    }
    std::map<std::uint32_t, MonotonicTime> taken;
    const std::vector<ClaimCell> cells = cells_.claims().all();
    for (std::uint32_t cell = 0; cell < cells.size(); cell++) {
        const auto found = sent.find({cells[cell].channel, cells[cell].ticket});
        if (found != sent.end()) {
            taken.emplace(cell, found->second);
        }
    }
    for (const AbandonedRequests::Request &request : abandoned_.all()) {
        taken.emplace(request.cell, request.since);
    }
    return taken;
}

GroupStatistics ApplicationQueue::statistics() const {
    return senders_.statistics(channels_.childSlots());
}

unsigned ApplicationQueue::takePeak() {
    return senders_.takePeak(channels_.childSlots());
}

std::vector<InFlightEntry> ApplicationQueue::unclaimed() {
    std::vector<InFlightEntry> entries = channels_.inFlight(slot_);
    const auto lost = [&](const InFlightEntry &entry) {
        const std::pair request(ChannelId(entry.channel), Ticket(entry.ticket));
        return std::find(lost_.begin(), lost_.end(), request) != lost_.end();
    };
    if (!lost_.empty()) {
        const auto last = std::stable_partition(entries.begin(), entries.end(), std::not_fn(lost));
        std::vector<std::pair<ChannelId, Ticket>> still;
        std::for_each(last, entries.end(), [&](const InFlightEntry &entry) {
            still.emplace_back(ChannelId(entry.channel), Ticket(entry.ticket));
        });
        entries.erase(last, entries.end());
        lost_ = std::move(still);
    }
    return withoutClaimed(std::move(entries));
}

std::vector<InFlightEntry> ApplicationQueue::withoutClaimed(std::vector<InFlightEntry> entries) const {
    if (!entries.empty()) {
        std::vector<std::pair<std::uint64_t, std::uint64_t>> taken;
        for (const ClaimCell &cell : cells_.claims().all()) {
            if (cell.channel != 0) {
                taken.emplace_back(cell.channel, cell.ticket);
            }
        }
        std::sort(taken.begin(), taken.end());
        std::erase_if(entries, [&](const InFlightEntry &entry) {
            return std::binary_search(taken.begin(), taken.end(), std::pair(entry.channel, entry.ticket));
        });
    }
    return entries;
}

std::vector<MonotonicTime> ApplicationQueue::waiting() {
    // Untrusted: no time that could overflow when it is compared.
    auto since = listOf(unclaimed(), sinceOf);
    std::sort(since.begin(), since.end());
    return since;
}

void ApplicationQueue::tell(const InFlightEntry &entry, MessageType type, const GetFailure *failure) {
    const ChannelId channel(entry.channel);
    if (failure == nullptr) {
        channels_.tell(channel, Ticket(entry.ticket), slot_, type);
    } else {
        channels_.tell(channel, Ticket(entry.ticket), slot_, type, failure->status(), failure->reportId(),
                       failure->summary);
    }
}

void ApplicationQueue::recheckWaiting() {
    for (const InFlightEntry &entry : unclaimed()) {
        tell(entry, MessageType::RECHECK);
    }
}

void ApplicationQueue::refuseWaiting(const GetFailure &failure) {
    for (const InFlightEntry &entry : unclaimed()) {
        tell(entry, MessageType::REFUSED, &failure);
    }
}

}  // namespace Passenger
