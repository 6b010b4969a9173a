#include "shm/GroupMemory.h"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

namespace Passenger {

namespace {

SharedMemory makeMemory(const char *name, std::size_t size, std::uint32_t magic, std::uint32_t capacity) {
    SharedMemory memory(name, size);
    MemoryHeader header{};
    header.magic = magic;
    header.version = LAYOUT_VERSION;
    header.capacity = capacity;
    memory.write(&header, sizeof(header), 0);
    return memory;
}

/** No child counts so far: nonsense of one does not overflow a sum. */
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
}

/** A child's statistics with what fills their cache lines, as they lie one after the other. */
struct StatisticsCell {
    GroupStatistics statistics;
    std::uint8_t padding[MarksLayout::STATISTICS_STRIDE - sizeof(GroupStatistics)];
};
static_assert(sizeof(StatisticsCell) == MarksLayout::STATISTICS_STRIDE);

void increment(std::uint64_t &counter) {
    __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED);
}

void increment(LogHistogram &histogram, std::chrono::nanoseconds time) {
    increment(histogram.counts[LogHistogram::bucket(time)]);
}

}  // namespace

// ----- Claims

Claims::Claims()
    : memory_(makeMemory("passenger-claims", ClaimsLayout::SIZE, ClaimsLayout::MAGIC, ClaimsLayout::CELLS)) {}

std::optional<ClaimCell> Claims::read(std::uint32_t cell) const {
    ClaimCell value{};
    memory_.read(&value, sizeof(value), ClaimsLayout::offset(cell));
    if (value.channel == 0) {
        return std::nullopt;
    }
    return value;
}

std::vector<ClaimCell> Claims::all() const {
    std::vector<ClaimCell> cells(ClaimsLayout::CELLS);
    memory_.read(cells.data(), cells.size() * sizeof(ClaimCell), ClaimsLayout::offset(0));
    return cells;
}

bool Claims::holds(ChannelId channel, Ticket ticket) const {
    const std::vector<ClaimCell> cells = all();
    return std::any_of(cells.begin(), cells.end(), [&](const ClaimCell &cell) {
        return cell.channel == channel.value() && cell.ticket == ticket.value();
    });
}

unsigned Claims::taken() const {
    const std::vector<ClaimCell> cells = all();
    return static_cast<unsigned>(std::count_if(cells.begin(), cells.end(), [](const ClaimCell &cell) {
        return cell.channel != 0 && (cell.channel & ClaimsLayout::DIED) == 0;
    }));
}

void Claims::clear(std::uint32_t cell) {
    const ClaimCell zero{};
    memory_.write(&zero, sizeof(zero), ClaimsLayout::offset(cell));
}

void Claims::noteDeath(std::uint32_t cell) {
    if (std::optional<ClaimCell> claim = read(cell)) {
        claim->channel |= ClaimsLayout::DIED;
        memory_.write(&*claim, sizeof(*claim), ClaimsLayout::offset(cell));
    }
}

ClaimsView::ClaimsView(const FileDescriptor &fd) : mapping_(fd, ClaimsLayout::SIZE, Mapping::Access::READ_ONLY) {}

bool ClaimsView::holds(ChannelId channel, Ticket ticket) const noexcept {
    return contains(channel.value(), ticket);
}

bool ClaimsView::died(ChannelId channel, Ticket ticket) const noexcept {
    return contains(channel.value() | ClaimsLayout::DIED, ticket);
}

bool ClaimsView::contains(std::uint64_t channel, Ticket ticket) const noexcept {
    for (std::uint32_t i = 0; i < ClaimsLayout::CELLS; i++) {
        const auto *cell = mapping_.at<ClaimCell>(ClaimsLayout::offset(i));
        if (__atomic_load_n(&cell->channel, __ATOMIC_SEQ_CST) == channel &&
            __atomic_load_n(&cell->ticket, __ATOMIC_SEQ_CST) == ticket.value()) {
            return true;
        }
    }
    return false;
}

// ----- Marks

Marks::Marks() : memory_(makeMemory("passenger-marks", MarksLayout::SIZE, MarksLayout::MAGIC, MarksLayout::SLOTS)) {}

unsigned Marks::inFlight(std::uint32_t childSlots) const {
    std::vector<std::uint32_t> counts(std::min(childSlots, MAX_CHILDREN));
    if (counts.empty()) {
        return 0;
    }
    memory_.read(counts.data(), counts.size() * sizeof(std::uint32_t), MarksLayout::COUNTS);
    unsigned sum = 0;
    for (const std::uint32_t count : counts) {
        // Untrusted: one child's nonsense may not overflow the sum.
        sum += std::min(count, std::uint32_t{BoardLayout::ENTRIES});
    }
    return sum;
}

unsigned Marks::takePeak(std::uint32_t childSlots) {
    const unsigned now = inFlight(childSlots);
    const unsigned peak = std::max(memory_.readU32(MarksLayout::PEAK), now);
    memory_.writeU32(now, MarksLayout::PEAK);
    return peak;
}

unsigned Marks::peak() const {
    return memory_.readU32(MarksLayout::PEAK);
}

bool Marks::wanted() const {
    return memory_.readU32(MarksLayout::WANTED) != 0;
}

void Marks::clearWanted() {
    memory_.writeU32(0, MarksLayout::WANTED);
}

GroupStatistics Marks::statistics(std::uint32_t childSlots) const {
    std::array<StatisticsCell, 16> cells;
    GroupStatistics sum = gone_;
    const std::uint32_t end = std::min(childSlots, MAX_CHILDREN);
    for (std::uint32_t slot = 0; slot < end; slot += cells.size()) {
        const std::span some = std::span(cells).first(std::min<std::size_t>(cells.size(), end - slot));
        memory_.read(some.data(), some.size_bytes(), MarksLayout::statistics(slot));
        for (const StatisticsCell &cell : some) {
            add(sum, cell.statistics);
        }
    }
    return sum;
}

void Marks::forgetChild(std::uint32_t childSlot) {
    memory_.writeU32(0, MarksLayout::count(childSlot));
    GroupStatistics counted;
    memory_.read(&counted, sizeof(counted), MarksLayout::statistics(childSlot));
    // A child that never used the application leaves the file as sparse as it was.
    const GroupStatistics none;
    if (counted != none) {
        add(gone_, counted);
        memory_.write(&none, sizeof(none), MarksLayout::statistics(childSlot));
    }
}

void Marks::withdrawAll(ChannelId channel) {
    const std::size_t at = MarksLayout::mark(channel.value());
    // The slot may be another channel's already.
    if (memory_.readU64(at) >> 32 == MarksLayout::serial(channel.value())) {
        memory_.writeU64(MarksLayout::upTo(channel.value(), MarksLayout::MAX_TICKET), at);
    }
}

void Marks::reset(ChannelId channel) {
    memory_.writeU64(MarksLayout::upTo(channel.value(), 0), MarksLayout::mark(channel.value()));
}

MarksView::MarksView(const FileDescriptor &fd) : mapping_(fd, MarksLayout::SIZE, Mapping::Access::READ_WRITE) {}

void MarksView::withdraw(ChannelId channel, Ticket ticket) noexcept {
    // Not a store and a fence, which ThreadSanitizer does not know.
    __atomic_exchange_n(mapping_.at<std::uint64_t>(MarksLayout::mark(channel.value())),
                        MarksLayout::upTo(channel.value(), ticket.value()), __ATOMIC_SEQ_CST);
}

unsigned MarksView::add(std::uint32_t childSlot, std::uint32_t childSlots) noexcept {
    __atomic_add_fetch(mapping_.at<std::uint32_t>(MarksLayout::count(childSlot)), 1, __ATOMIC_RELAXED);
    const unsigned sum = inFlight(childSlots);
    auto *peak = mapping_.at<std::uint32_t>(MarksLayout::PEAK);
    std::uint32_t seen = __atomic_load_n(peak, __ATOMIC_RELAXED);
    while (seen < sum && !__atomic_compare_exchange_n(peak, &seen, sum, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return sum;
}

void MarksView::remove(std::uint32_t childSlot) noexcept {
    __atomic_sub_fetch(mapping_.at<std::uint32_t>(MarksLayout::count(childSlot)), 1, __ATOMIC_RELAXED);
}

unsigned MarksView::inFlight(std::uint32_t childSlots) const noexcept {
    unsigned sum = 0;
    for (std::uint32_t i = 0; i < std::min(childSlots, MAX_CHILDREN); i++) {
        sum += __atomic_load_n(mapping_.at<std::uint32_t>(MarksLayout::count(i)), __ATOMIC_RELAXED);
    }
    return sum;
}

std::uint64_t MarksView::completed(std::uint32_t childSlots) const noexcept {
    std::uint64_t sum = 0;
    for (std::uint32_t i = 0; i < std::min(childSlots, MAX_CHILDREN); i++) {
        sum += __atomic_load_n(&statistics(i).completed, __ATOMIC_RELAXED);
    }
    return sum;
}

void MarksView::completed(std::uint32_t childSlot, std::chrono::nanoseconds queued,
                          std::chrono::nanoseconds service) noexcept {
    GroupStatistics &mine = statistics(childSlot);
    increment(mine.completed);
    increment(mine.serviceTime, service);
    increment(mine.queueTime, queued);
}

void MarksView::refused(std::uint32_t childSlot) noexcept {
    increment(statistics(childSlot).refused);
}

void MarksView::timedOut(std::uint32_t childSlot, std::chrono::nanoseconds queued) noexcept {
    GroupStatistics &mine = statistics(childSlot);
    increment(mine.timedOut);
    increment(mine.queueTime, queued);
}

void MarksView::left(std::uint32_t childSlot, std::chrono::nanoseconds queued) noexcept {
    GroupStatistics &mine = statistics(childSlot);
    increment(mine.left);
    increment(mine.queueTime, queued);
}

bool MarksView::askForMore() noexcept {
    auto *wanted = mapping_.at<std::uint32_t>(MarksLayout::WANTED);
    return __atomic_load_n(wanted, __ATOMIC_RELAXED) == 0 && __atomic_exchange_n(wanted, 1, __ATOMIC_SEQ_CST) == 0;
}

}  // namespace Passenger
