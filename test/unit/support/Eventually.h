#pragma once

#include <poll.h>

#include <chrono>

namespace Passenger {

/** Looks again and again until `condition` holds, for at most `limit`. @return whether it came to hold */
template <typename Condition>
bool eventually(Condition condition, std::chrono::milliseconds limit = std::chrono::seconds(10)) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) {
            return false;
        }
        ::poll(nullptr, 0, 1);
    }
    return true;
}

}  // namespace Passenger
