#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/Clock.h"

namespace Passenger {

/**
 * Which options of one application the agent knows, by RequestOptions::settings. It is told them
 * for later starts of instances. Places with different options may share the application: the agent
 * learns them by turns, but rarely. Not thread-safe.
 */
class ToldOptions {
public:
    static constexpr std::size_t MOST = 32;
    /** Options that the agent has known are told again after this time. */
    static constexpr std::chrono::seconds PAUSE{1};

    bool isToTell(std::uint64_t settings, const Clock &clock) const;
    void noteTold(std::uint64_t settings, const Clock &clock);
    /** The agent could not be told. After the pause a request tells it again. */
    void noteUntold(std::uint64_t settings, const Clock &clock);

private:
    /** The agent uses the last ones. */
    std::vector<std::uint64_t> told_;
    MonotonicTime last_;
};

}  // namespace Passenger
