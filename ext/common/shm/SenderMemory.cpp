#include "shm/SenderMemory.h"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

namespace Passenger {

namespace {

/** More than any child counts. A child that writes larger numbers does not overflow a sum. */
constexpr std::uint64_t MAX_COUNT = std::uint64_t{1} << 48;

void add(std::uint64_t &sum, std::uint64_t count) {
    sum += std::min(count, MAX_COUNT);
}

void add(LogHistogram &sum, const LogHistogram &counted) {
    for (std::size_t i = 0; i < LogHistogram::BUCKETS; i++) {
        add(sum.counts[i], counted.counts[i]);
    }
}

void add(GroupStatistics &sum, const GroupStatistics &counted) {
    add(sum.completed, counted.completed);
    add(sum.refused, counted.refused);
    add(sum.timedOut, counted.timedOut);
    add(sum.left, counted.left);
    add(sum.serviceTime, counted.serviceTime);
    add(sum.queueTime, counted.queueTime);
    add(sum.serviceMicroseconds, counted.serviceMicroseconds);
    add(sum.queueMicroseconds, counted.queueMicroseconds);
    add(sum.overShare, counted.overShare);
    add(sum.lost, counted.lost);
    add(sum.overran, counted.overran);
    add(sum.notStarted, counted.notStarted);
}

/** A child's statistics and the padding up to those of the next child. */
struct StatisticsCell {
    GroupStatistics statistics;
    std::uint8_t padding[SenderMemoryLayout::STATISTICS_STRIDE - sizeof(GroupStatistics)];
};
static_assert(sizeof(StatisticsCell) == SenderMemoryLayout::STATISTICS_STRIDE);

/** A child's requests in flight by FairnessKey. */
using KeyCounts =
    std::array<SenderMemoryLayout::KeyCount, SenderMemoryLayout::KEYS_STRIDE / sizeof(SenderMemoryLayout::KeyCount)>;

}  // namespace

SenderMemory::SenderMemory()
    : memory_("passenger-senders", SenderMemoryLayout::SIZE, SenderMemoryLayout::MAGIC, SenderMemoryLayout::SLOTS) {}

unsigned SenderMemory::inFlight(std::uint32_t childSlots) const {
    std::vector<std::uint32_t> counts(std::min(childSlots, MAX_CHILDREN));
    if (counts.empty()) {
        return 0;
    }
    memory_.read(counts.data(), counts.size() * sizeof(std::uint32_t), SenderMemoryLayout::COUNTS);
    unsigned sum = 0;
    for (const std::uint32_t count : counts) {
        // A child that is not trusted may not overflow the sum.
        sum += std::min(count, std::uint32_t{InFlightLayout::ENTRIES});
    }
    return sum;
}

unsigned SenderMemory::takePeak(std::uint32_t childSlots) {
    const unsigned now = inFlight(childSlots);
    const unsigned peak = std::max(memory_.readU32(SenderMemoryLayout::PEAK), now);
    memory_.writeU32(now, SenderMemoryLayout::PEAK);
    return peak;
}

unsigned SenderMemory::peak() const {
    return memory_.readU32(SenderMemoryLayout::PEAK);
}

bool SenderMemory::wanted() const {
    return memory_.readU32(SenderMemoryLayout::WANTED) != 0;
}

void SenderMemory::clearWanted() {
    memory_.writeU32(0, SenderMemoryLayout::WANTED);
}

GroupStatistics SenderMemory::statistics(std::uint32_t childSlots) const {
    std::array<StatisticsCell, 16> cells;
    GroupStatistics sum = gone_;
    const std::uint32_t end = std::min(childSlots, MAX_CHILDREN);
    for (std::uint32_t slot = 0; slot < end; slot += cells.size()) {
        const std::span some = std::span(cells).first(std::min<std::size_t>(cells.size(), end - slot));
        memory_.read(some.data(), some.size_bytes(), SenderMemoryLayout::statistics(slot));
        for (const StatisticsCell &cell : some) {
            add(sum, cell.statistics);
        }
    }
    return sum;
}

void SenderMemory::forgetChild(std::uint32_t childSlot) {
    memory_.writeU32(0, SenderMemoryLayout::count(childSlot));
    GroupStatistics counted;
    memory_.read(&counted, sizeof(counted), SenderMemoryLayout::statistics(childSlot));
    // The file stays sparse where a child never used the application.
    const GroupStatistics none;
    if (counted != none) {
        add(gone_, counted);
        memory_.write(&none, sizeof(none), SenderMemoryLayout::statistics(childSlot));
    }
    KeyCounts keys;
    memory_.read(keys.data(), sizeof(keys), SenderMemoryLayout::keys(childSlot));
    if (keys != KeyCounts{}) {
        keys = {};
        memory_.write(keys.data(), sizeof(keys), SenderMemoryLayout::keys(childSlot));
    }
}

void SenderMemory::withdraw(ChannelId channel, Ticket ticket) {
    memory_.writeU64(SenderMemoryLayout::upTo(channel.value(), ticket.value()),
                     SenderMemoryLayout::mark(channel.value()));
}

void SenderMemory::withdrawAll(ChannelId channel) {
    const std::size_t at = SenderMemoryLayout::mark(channel.value());
    // A later channel may have the slot already.
    if (memory_.readU64(at) >> 32 == SenderMemoryLayout::serial(channel.value())) {
        memory_.writeU64(SenderMemoryLayout::upTo(channel.value(), SenderMemoryLayout::MAX_TICKET), at);
    }
}

void SenderMemory::reset(ChannelId channel) {
    memory_.writeU64(SenderMemoryLayout::upTo(channel.value(), 0), SenderMemoryLayout::mark(channel.value()));
}

}  // namespace Passenger
