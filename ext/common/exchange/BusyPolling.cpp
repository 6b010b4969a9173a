#include "exchange/BusyPolling.h"

#include <algorithm>

namespace Passenger {

BusyPolling::Poll::Poll(BusyPolling &polling, bool isAlone) noexcept
    : polling_(polling.begin(isAlone) ? &polling : nullptr) {
    if (polling_ != nullptr) {
        begin_ = last_ = polling.clock_.now();
    }
}

bool BusyPolling::Poll::goesOn() noexcept {
    if (polling_ == nullptr) {
        return false;
    }
    const MonotonicTime now = polling_->clock_.now();
    if (now - begin_ >= LONGEST || now - last_ >= LONGEST_PAUSE) {
        end(false);
    }
    last_ = now;
    return polling_ != nullptr;
}

void BusyPolling::Poll::end(bool found) noexcept {
    if (polling_ != nullptr) {
        polling_->end(found);
        polling_ = nullptr;
    }
}

bool BusyPolling::begin(bool isAlone) noexcept {
    const unsigned skip = skip_.load(std::memory_order_relaxed);
    if (!isAlone) {
        // Under load it has this value already, and no thread writes.
        if (skip < SKIPPED_AFTER_COMPANY) {
            skip_.store(SKIPPED_AFTER_COMPANY, std::memory_order_relaxed);
        }
        return false;
    }
    if (skip > 0) {
        skip_.store(skip - 1, std::memory_order_relaxed);
        return false;
    }
    return isUseful_ && !taken_.test_and_set(std::memory_order_acquire);
}

void BusyPolling::end(bool found) noexcept {
    if (found) {
        penalty_ = std::max(penalty_ / 2, 1U);
    } else {
        skip_.store(penalty_, std::memory_order_relaxed);
        penalty_ = std::min(penalty_ * 2, MOST_SKIPPED);
    }
    taken_.clear(std::memory_order_release);
}

}  // namespace Passenger
