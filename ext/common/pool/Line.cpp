#include "pool/Line.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace Passenger {

Line::Line(std::uint32_t slot, std::string name, ChannelRegistry &channels, Deposits &deposits)
    : slot_(slot), name_(std::move(name)), channels_(channels), deposits_(deposits), used_(ClaimsLayout::CELLS) {}

// ----- Cells

std::optional<CellRange> Line::allocate(std::uint32_t count) {
    reclaim();
    std::uint32_t run = 0;
    for (std::uint32_t cell = 0; cell < used_.size(); cell++) {
        run = used_[cell] ? 0 : run + 1;
        if (run == count) {
            const CellRange range{cell + 1 - count, count};
            for (std::uint32_t i = 0; i < count; i++) {
                used_[range.first + i] = true;
                claims_.clear(range.first + i);
            }
            return range;
        }
    }
    return std::nullopt;
}

void Line::free(const CellRange &cells) {
    for (std::uint32_t i = 0; i < cells.count; i++) {
        claims_.clear(cells.first + i);
        used_[cells.first + i] = false;
    }
}

void Line::giveUp(const CellRange &cells, bool killed) {
    const std::uint16_t status = killed ? 502 : 0;
    std::vector<std::uint32_t> told;
    for (std::uint32_t cell = cells.first; cell < cells.first + cells.count; cell++) {
        const std::optional<ClaimCell> claim = claims_.read(cell);
        if (!claim ||
            channels_.tell(ChannelId(claim->channel), Ticket(claim->ticket), slot_, MessageType::LOST, status)) {
            told.push_back(cell);
        } else {
            // Until LOST finds room in the channel, nothing else says that the request was begun.
            claims_.noteDeath(cell);
            untold_.push_back(cell);
        }
    }
    clearStrayClaims();
    recheckWaiting();
    for (const std::uint32_t cell : told) {
        free({cell, 1});
    }
}

/** Frees the cells that tell of a death, once nobody waits for that answer any more: the exchange has ended, or its child. */
void Line::reclaim() {
    if (untold_.empty()) {
        return;
    }
    const std::vector<BoardEntry> inFlight = channels_.inFlight(slot_);
    std::erase_if(untold_, [&](std::uint32_t cell) {
        const std::optional<ClaimCell> claim = claims_.read(cell);
        const bool waitedFor =
            claim && std::any_of(inFlight.begin(), inFlight.end(), [&](const BoardEntry &entry) {
                return (entry.channel | ClaimsLayout::DIED) == claim->channel && entry.ticket == claim->ticket;
            });
        if (!waitedFor) {
            free({cell, 1});
        }
        return !waitedFor;
    });
}

/** An instance can write outside of its own cells, where nobody's end would ever end the claim, nor the wait of whoever believes it. */
void Line::clearStrayClaims() {
    const std::vector<ClaimCell> all = claims_.all();
    for (std::uint32_t cell = 0; cell < all.size(); cell++) {
        if (!used_[cell] && (all[cell].channel != 0 || all[cell].ticket != 0)) {
            claims_.clear(cell);
        }
    }
}

std::vector<std::pair<ChannelId, Ticket>> Line::claimed(const CellRange &cells) const {
    std::vector<std::pair<ChannelId, Ticket>> all;
    for (std::uint32_t i = 0; i < cells.count; i++) {
        if (const std::optional<ClaimCell> claim = claims_.read(cells.first + i)) {
            all.emplace_back(claim->channel, claim->ticket);
        }
    }
    return all;
}

bool Line::holds(const CellRange &cells, ChannelId channel, Ticket ticket) const {
    const auto all = claimed(cells);
    return std::find(all.begin(), all.end(), std::pair(channel, ticket)) != all.end();
}

unsigned Line::taken(const CellRange &cells) const {
    unsigned count = 0;
    for (std::uint32_t i = 0; i < cells.count; i++) {
        count += claims_.read(cells.first + i) ? 1 : 0;
    }
    return count;
}

// ----- Generations

void Line::makeCurrent(LineGenerationPtr generation, unsigned capacity) {
    const LineGenerationPtr old = std::exchange(current_, std::move(generation));
    publish(capacity);
    retire(old);
    const RequestQueue &queue = current_->queue;
    deposits_.deposit(depositKey(*current_), name_, {queue.sendingEnd().get(), queue.receivingEnd().get()});
    recheckWaiting();
}

void Line::close() {
    const LineGenerationPtr old = std::exchange(current_, nullptr);
    publish(0);
    retire(old);
    recheckWaiting();
}

void Line::retire(const LineGenerationPtr &generation) {
    if (generation) {
        generation->queue.shutDown();
        deposits_.withdraw(depositKey(*generation));
    }
}

std::string Line::depositKey(const LineGeneration &generation) const {
    return fmt::format("queue:{}:{}", slot_, generation.number.value());
}

void Line::publish(unsigned capacity) {
    channels_.generations().publish(slot_, current_ ? current_->number : Generation(), capacity);
    marks_.clearWanted();
}

Attachment Line::attachment() const {
    return Attachment{slot_,
                      current_->number,
                      current_->queue.sendingEnd().duplicate(),
                      claims_.memory().readOnlyDescriptor(),
                      marks_.memory().descriptor().duplicate(),
                      FileDescriptor()};
}

// ----- Those who wait

unsigned Line::inFlight() const {
    return marks_.inFlight(channels_.childSlots());
}

GroupStatistics Line::statistics() const {
    return marks_.statistics(channels_.childSlots());
}

unsigned Line::takePeak() {
    return marks_.takePeak(channels_.childSlots());
}

std::vector<BoardEntry> Line::unclaimed() {
    std::vector<BoardEntry> entries = channels_.inFlight(slot_);
    if (!entries.empty()) {
        const std::vector<ClaimCell> taken = claims_.all();
        std::erase_if(entries, [&](const BoardEntry &entry) {
            return std::any_of(taken.begin(), taken.end(), [&](const ClaimCell &cell) {
                return cell.channel == entry.channel && cell.ticket == entry.ticket;
            });
        });
    }
    return entries;
}

Line::Waiting Line::waiting() {
    const std::vector<BoardEntry> entries = unclaimed();
    Waiting waiting;
    waiting.count = static_cast<unsigned>(entries.size());
    for (const BoardEntry &entry : entries) {
        // Untrusted: no time that could overflow when it is compared.
        const MonotonicTime since{std::chrono::nanoseconds(std::min<std::uint64_t>(entry.since, INT64_MAX))};
        if (!waiting.since || since < *waiting.since) {
            waiting.since = since;
        }
    }
    return waiting;
}

void Line::tell(const BoardEntry &entry, MessageType type, const GetFailure *failure) {
    const ChannelId channel(entry.channel);
    if (failure == nullptr) {
        channels_.tell(channel, Ticket(entry.ticket), slot_, type);
    } else {
        channels_.tell(channel, Ticket(entry.ticket), slot_, type, failure->status(), failure->reportId(),
                       failure->summary);
    }
}

void Line::recheckWaiting() {
    for (const BoardEntry &entry : unclaimed()) {
        tell(entry, MessageType::RECHECK);
    }
}

void Line::refuseWaiting(const GetFailure &failure) {
    for (const BoardEntry &entry : unclaimed()) {
        tell(entry, MessageType::REFUSED, &failure);
    }
}

}  // namespace Passenger
