#include "exchange/OvertakenCheck.h"

#include <algorithm>

namespace Passenger {

bool OvertakenCheck::overtaken(const SenderMemoryView &senders, std::uint32_t childSlots, unsigned resends) noexcept {
    const std::uint64_t completed = senders.completed(childSlots);
    // The number falls when a child has ended, since its count goes with it.
    if (overtakenAt_ == 0 || completed < completedBefore_) {
        const std::uint64_t before = senders.inFlight(childSlots);
        overtakenAt_ = completed + (before << std::min(resends, 16U)) + 1;
    }
    completedBefore_ = completed;
    return completed >= overtakenAt_;
}

}  // namespace Passenger
