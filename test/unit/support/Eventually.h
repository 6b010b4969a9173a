#pragma once

#include <poll.h>

#include <chrono>

namespace Passenger {

/** Looks again and again until `condition` holds, for at most `limit`, and once more then: a machine that stands still takes the time, too.
 *  @return whether it came to hold */
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
