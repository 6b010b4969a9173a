#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <unordered_set>

#include "base/Clock.h"

namespace Passenger {

/**
 * The sticky ids that the agent did not know a moment ago: those of former instances, which
 * browsers still send, and those that clients invent. Requests with them do not ask the agent
 * again. Not thread-safe.
 */
class UnknownInstances {
public:
    /** An instance of this id that serves from now on is found after this time. */
    static constexpr std::chrono::milliseconds PAUSE{200};
    /** Where clients have sent so many in that time, further ids count as unknown unasked. */
    static constexpr std::size_t MOST = 256;

    bool contains(std::uint32_t stickyId, const Clock &clock);
    void add(std::uint32_t stickyId) { ids_.insert(stickyId); }
    /** The agent may know others now. */
    void clear() { ids_.clear(); }

private:
    std::unordered_set<std::uint32_t> ids_;
    MonotonicTime since_;
};

}  // namespace Passenger
