#pragma once

#include <poll.h>

#include <algorithm>
#include <chrono>

namespace Passenger {

/**
 * Checks `condition` repeatedly until it holds, for at most `limit`, and then once more, since the
 * machine may have stood still. The pause between two checks is a twentieth of the wait so far,
 * from 1 ms to 20 ms.
 *
 * @return whether the condition holds
 */
template <typename Condition>
bool eventually(Condition condition, std::chrono::milliseconds limit = std::chrono::seconds(60)) {
    using std::chrono::milliseconds;
    const auto begin = std::chrono::steady_clock::now();
    for (;;) {
        const auto waited = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin);
        const bool last = waited > limit;
        if (condition()) {
            return true;
        }
        if (last) {
            return false;
        }
        ::poll(nullptr, 0, static_cast<int>(std::clamp(waited / 20, milliseconds(1), milliseconds(20)).count()));
    }
}

}  // namespace Passenger
