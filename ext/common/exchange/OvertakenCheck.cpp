#include "exchange/OvertakenCheck.h"

#include <algorithm>

namespace Passenger {

bool OvertakenCheck::overtaken(const SenderMemoryView &senders, std::uint32_t childSlots, unsigned resends,
                               bool priorityQueue) noexcept {
    constexpr std::uint64_t OF_BOTH_QUEUES = 5;
    const std::uint64_t completed = senders.completed(childSlots);
    // The number falls when a child has ended, since its count goes with it.
    if (overtakenAt_ == 0 || completed < completedBefore_) {
        const std::uint64_t before = senders.inFlight(childSlots) * (priorityQueue ? OF_BOTH_QUEUES : 1);
        overtakenAt_ = completed + (before << std::min(resends, 16U)) + 1;
    }
    completedBefore_ = completed;
    return completed >= overtakenAt_;
}

}  // namespace Passenger
