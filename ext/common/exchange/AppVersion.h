#pragma once

#include <cstdint>

#include "shm/GenerationTableView.h"

namespace Passenger {

/**
 * The version of an application that gave an answer: the generation of the application's queue, in
 * the table of the agent that gave the queue. A plain value. The table lives as long as the
 * process's connection to the agent. Thread-safe.
 */
struct AppVersion {
    const GenerationTableView *table = nullptr;
    std::uint32_t groupSlot = 0;
    Generation generation;
    /** See QueueHost::agentLife(); -1: the agent cannot end. */
    int agentLife = -1;

    /** Whether requests still get answers of this version. False also if that is unknown. */
    bool isCurrent() const noexcept;
};

}  // namespace Passenger
