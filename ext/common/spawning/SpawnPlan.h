#pragma once

#include <string>

#include "exchange/Options.h"
#include "spawning/SpawnManager.h"
#include "spawning/UserResolver.h"

namespace Passenger {

/**
 * With what an application's process is started: all that cannot be changed later in one that runs. Two spawns with
 * equal plans can share a preloader. A plain value.
 */
struct SpawnPlan {
    std::string ruby;
    RunAs runAs;
    bool loginShell = true;
    Options::Variables environment;
    /** Ruby's heap is to be a small one in a preloader, and so in what it forks. */
    bool smallHeap = false;

    SpawnPlan() = default;
    /** Asks options.variables(). */
    SpawnPlan(const Options &options, RunAs runAs);

    StartRequest request(StartRequest::Role role) const;
    bool operator==(const SpawnPlan &other) const;
};

}  // namespace Passenger
