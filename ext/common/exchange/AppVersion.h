#pragma once

#include <cstdint>

#include "shm/GenerationTableView.h"

namespace Passenger {

/**
 * Which version of an application gave an answer: its line's generation, in the table of the agent
 * that gave the queue. A plain value; what it points to lives as long as the process's connection
 * to the agent. Thread-safe.
 */
struct AppVersion {
    const GenerationTableView *table = nullptr;
    std::uint32_t groupSlot = 0;
    Generation generation;
    /** As QueueHost's; -1: the agent cannot end. */
    int agentLife = -1;

    /** Whether requests still get answers of this version. False also when it cannot be told. */
    bool isCurrent() const noexcept;
};

}  // namespace Passenger
