#include "shm/SenderMemoryView.h"

#include <algorithm>
#include <limits>

namespace Passenger {

namespace {

void increment(std::uint64_t &counter) {
    __atomic_add_fetch(&counter, 1, __ATOMIC_SEQ_CST);
}

void count(LogHistogram &histogram, std::uint64_t &microseconds, std::chrono::nanoseconds time) {
    increment(histogram.counts[LogHistogram::bucket(time)]);
    const auto positive = static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0));
    __atomic_add_fetch(&microseconds, positive / 1000, __ATOMIC_RELAXED);
}

template <typename Sum, typename Of> Sum sumOfChildren(Sum sum, std::uint32_t childSlots, Of of) {
    for (std::uint32_t slot = 0; slot < std::min(childSlots, MAX_CHILDREN); slot++) {
        sum += of(slot);
    }
    return sum;
}

}  // namespace

SenderMemoryView::SenderMemoryView(const FileDescriptor &fd)
    : mapping_(fd, SenderMemoryLayout::SIZE, Mapping::Access::READ_WRITE) {}

void SenderMemoryView::withdraw(ChannelId channel, Ticket ticket) noexcept {
    // Not a store and a fence, because ThreadSanitizer does not support fences.
    __atomic_exchange_n(mapping_.at<std::uint64_t>(SenderMemoryLayout::mark(channel.value())),
                        SenderMemoryLayout::upTo(channel.value(), ticket.value()), __ATOMIC_SEQ_CST);
}

unsigned SenderMemoryView::add(std::uint32_t childSlot, std::uint32_t childSlots) noexcept {
    __atomic_add_fetch(mapping_.at<std::uint32_t>(SenderMemoryLayout::count(childSlot)), 1, __ATOMIC_SEQ_CST);
    const unsigned sum = inFlight(childSlots);
    auto *peak = mapping_.at<std::uint32_t>(SenderMemoryLayout::PEAK);
    std::uint32_t seen = __atomic_load_n(peak, __ATOMIC_RELAXED);
    while (seen < sum && !__atomic_compare_exchange_n(peak, &seen, sum, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return sum;
}

void SenderMemoryView::remove(std::uint32_t childSlot) noexcept {
    __atomic_sub_fetch(mapping_.at<std::uint32_t>(SenderMemoryLayout::count(childSlot)), 1, __ATOMIC_RELAXED);
}

unsigned SenderMemoryView::inFlight(std::uint32_t childSlots) const noexcept {
    return sumOfChildren(0U, childSlots, [this](std::uint32_t slot) {
        return __atomic_load_n(mapping_.at<std::uint32_t>(SenderMemoryLayout::count(slot)), __ATOMIC_RELAXED);
    });
}

void SenderMemoryView::add(std::uint32_t childSlot, const FairnessKey &key) noexcept {
    for (std::uint32_t row = 0; row < SenderMemoryLayout::KEY_ROWS; row++) {
        __atomic_add_fetch(keyCount(childSlot, key, row), 1, __ATOMIC_RELAXED);
    }
}

/** Not below 0: the agent may have cleared the counts of a child that it took for dead. */
void SenderMemoryView::remove(std::uint32_t childSlot, const FairnessKey &key) noexcept {
    for (std::uint32_t row = 0; row < SenderMemoryLayout::KEY_ROWS; row++) {
        KeyCount *count = keyCount(childSlot, key, row);
        KeyCount now = __atomic_load_n(count, __ATOMIC_RELAXED);
        while (now > 0 && !__atomic_compare_exchange_n(count, &now, static_cast<KeyCount>(now - 1), true,
                                                       __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        }
    }
}

unsigned SenderMemoryView::inFlight(const FairnessKey &key, std::uint32_t childSlots) const noexcept {
    return sumOfChildren(0U, childSlots, [&](std::uint32_t slot) {
        KeyCount least = std::numeric_limits<KeyCount>::max();
        for (std::uint32_t row = 0; row < SenderMemoryLayout::KEY_ROWS; row++) {
            least = std::min(least, __atomic_load_n(keyCount(slot, key, row), __ATOMIC_RELAXED));
        }
        return least;
    });
}

std::uint64_t SenderMemoryView::completed(std::uint32_t childSlots) const noexcept {
    return sumOfChildren(std::uint64_t{0}, childSlots, [this](std::uint32_t slot) {
        return __atomic_load_n(&statistics(slot).completed, __ATOMIC_RELAXED);
    });
}

std::chrono::microseconds SenderMemoryView::serviceTime(std::uint32_t childSlots) const noexcept {
    return sumOfChildren(std::chrono::microseconds(0), childSlots, [this](std::uint32_t slot) {
        return std::chrono::microseconds(__atomic_load_n(&statistics(slot).serviceMicroseconds, __ATOMIC_RELAXED));
    });
}

void SenderMemoryView::completed(std::uint32_t childSlot, std::chrono::nanoseconds queued,
                                 std::chrono::nanoseconds service) noexcept {
    GroupStatistics &mine = statistics(childSlot);
    increment(mine.completed);
    count(mine.serviceTime, mine.serviceMicroseconds, service);
    count(mine.queueTime, mine.queueMicroseconds, queued);
}

void SenderMemoryView::refused(std::uint32_t childSlot) noexcept {
    increment(statistics(childSlot).refused);
}

void SenderMemoryView::overShare(std::uint32_t childSlot) noexcept {
    increment(statistics(childSlot).overShare);
}

void SenderMemoryView::lost(std::uint32_t childSlot) noexcept {
    increment(statistics(childSlot).lost);
}

void SenderMemoryView::overran(std::uint32_t childSlot) noexcept {
    increment(statistics(childSlot).overran);
}

void SenderMemoryView::notStarted(std::uint32_t childSlot) noexcept {
    increment(statistics(childSlot).notStarted);
}

void SenderMemoryView::timedOut(std::uint32_t childSlot, std::chrono::nanoseconds queued) noexcept {
    GroupStatistics &mine = statistics(childSlot);
    increment(mine.timedOut);
    count(mine.queueTime, mine.queueMicroseconds, queued);
}

void SenderMemoryView::left(std::uint32_t childSlot, std::chrono::nanoseconds queued) noexcept {
    GroupStatistics &mine = statistics(childSlot);
    increment(mine.left);
    count(mine.queueTime, mine.queueMicroseconds, queued);
}

/** The agent clears `wanted`, then looks at the counts. This process has counted, then looks at
 *  `wanted`. With one order of all (SEQ_CST) one of the two sees the other. */
bool SenderMemoryView::askForMore() noexcept {
    auto *wanted = mapping_.at<std::uint32_t>(SenderMemoryLayout::WANTED);
    return __atomic_load_n(wanted, __ATOMIC_SEQ_CST) == 0 && __atomic_exchange_n(wanted, 1, __ATOMIC_SEQ_CST) == 0;
}

}  // namespace Passenger
