#include "shm/GenerationTableView.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <ctime>

namespace Passenger {

namespace {

#ifdef SYS_futex_time64
// Where long has 32 bits, SYS_futex takes a time of 32 bits.
constexpr long FUTEX = sizeof(std::time_t) > sizeof(long) ? SYS_futex_time64 : SYS_futex;
#else
constexpr long FUTEX = SYS_futex;
#endif

}  // namespace

GenerationTableView::GenerationTableView(const FileDescriptor &fd)
    : mapping_(fd, GenerationLayout::SIZE, Mapping::Access::READ_ONLY), firstShortages_(shortages()) {}

Generation GenerationTableView::generation(std::uint32_t groupSlot) const noexcept {
    return Generation(
        __atomic_load_n(mapping_.at<std::uint64_t>(GenerationLayout::offset(groupSlot)), __ATOMIC_ACQUIRE));
}

InstanceCounts GenerationTableView::instances(std::uint32_t groupSlot) const noexcept {
    const auto &counts = mapping_.at<GenerationEntry>(GenerationLayout::offset(groupSlot))->instances;
    return {__atomic_load_n(&counts.capacity, __ATOMIC_RELAXED), __atomic_load_n(&counts.places, __ATOMIC_RELAXED),
            __atomic_load_n(&counts.abandoned, __ATOMIC_RELAXED), __atomic_load_n(&counts.serving, __ATOMIC_RELAXED)};
}

MonotonicTime GenerationTableView::pausedUntil(std::uint32_t groupSlot) const noexcept {
    const auto *entry = mapping_.at<GenerationEntry>(GenerationLayout::offset(groupSlot));
    return MonotonicTime(std::chrono::nanoseconds(__atomic_load_n(&entry->pausedUntil, __ATOMIC_RELAXED)));
}

std::uint32_t GenerationTableView::childSlots() const noexcept {
    return __atomic_load_n(mapping_.at<std::uint32_t>(offsetof(MemoryHeader, extra)), __ATOMIC_RELAXED);
}

const FairnessKey::Secret &GenerationTableView::secret() const noexcept {
    return *mapping_.at<FairnessKey::Secret>(GenerationLayout::SECRET);
}

std::uint32_t GenerationTableView::shortages() const noexcept {
    return __atomic_load_n(mapping_.at<std::uint32_t>(GenerationLayout::SHORTAGES), __ATOMIC_ACQUIRE);
}

void GenerationTableView::awaitShortage(std::uint32_t seen, std::chrono::nanoseconds time) const noexcept {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
    const timespec limit{static_cast<std::time_t>(seconds.count()), static_cast<long>((time - seconds).count())};
    if (::syscall(FUTEX, mapping_.at<std::uint32_t>(GenerationLayout::SHORTAGES), FUTEX_WAIT, seen, &limit, nullptr,
                  0) != 0 &&
        errno != EAGAIN && errno != EINTR && errno != ETIMEDOUT) {
        // A kernel or a sandbox without futexes. The caller looks again after the time.
        ::nanosleep(&limit, nullptr);
    }
}

void GenerationTableView::endWaits() const noexcept {
    ::syscall(FUTEX, mapping_.at<std::uint32_t>(GenerationLayout::SHORTAGES), FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace Passenger
