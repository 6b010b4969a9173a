#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_set>

#include "base/Clock.h"

namespace Passenger {

/**
 * The sticky ids that an agent did not know a moment ago: those of former instances, which
 * browsers still send, and those that clients invent. Requests with them do not ask the agent
 * again. Of one agent and one application; not thread-safe.
 */
class UnknownInstances {
public:
    /** An instance of this id that serves from now on is found after this time. */
    static constexpr std::chrono::milliseconds PAUSE{200};
    /** Where the agent did not know so many in that time, further ids count as unknown unasked. */
    static constexpr std::size_t MOST = 256;
    /** So long after the first unknown id an agent may still be taking over instances of a crashed
     *  one, which keep their ids (Handshake). None is remembered meanwhile. */
    static constexpr std::chrono::seconds TAKE_OVER{10};

    bool contains(std::uint32_t stickyId, const Clock &clock);
    void add(std::uint32_t stickyId, const Clock &clock);
    /** The agent may know others now, with new ids. */
    void clear();

private:
    /** Without those of TAKE_OVER. */
    std::unordered_set<std::uint32_t> ids_;
    /** How many ids the agent did not know since `since_`. */
    std::size_t asked_ = 0;
    MonotonicTime since_;
    /** When the first one was added. */
    std::optional<MonotonicTime> first_;
};

}  // namespace Passenger
