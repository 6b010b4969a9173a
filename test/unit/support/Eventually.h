#pragma once

#include <poll.h>

#include <chrono>

namespace Passenger {

/**
 * Checks `condition` repeatedly until it holds, for at most `limit`, and then once more, since the
 * machine may have stood still.
 *
 * @return whether the condition holds
 */
template <typename Condition>
bool eventually(Condition condition, std::chrono::milliseconds limit = std::chrono::seconds(60)) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
        const bool last = std::chrono::steady_clock::now() > deadline;
        if (condition()) {
            return true;
        }
        if (last) {
            return false;
        }
        ::poll(nullptr, 0, 1);
    }
}

}  // namespace Passenger
