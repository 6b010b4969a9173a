#pragma once

#include <string>

#include "exchange/Options.h"
#include "rights/UserResolver.h"
#include "spawning/SpawnManager.h"

namespace Passenger {

/**
 * The properties of an application's process that cannot change once it has loaded the application,
 * such as the variables of PassengerAppEnv and PassengerPreloadBundler. Two spawns with equal plans
 * can share a preloader. A plain value.
 */
struct SpawnPlan {
    /** What is loaded: PassengerAppType, PassengerStartupFile, PassengerAppCallable. */
    std::string appType;
    std::string startupFile;
    std::string appCallable;
    /** The Ruby or Python that runs the application (PassengerRuby, PassengerPython). */
    std::string interpreter;
    bool runsPython = false;
    RunAs runAs;
    bool loginShell = true;
    Options::Variables environment;
    /** The preloader gets a small Ruby heap, and so do its instances. */
    bool smallHeap = false;

    SpawnPlan() = default;
    /** @param variables those of the administrator; options.variables() is not called */
    SpawnPlan(const Options &options, RunAs runAs, const Options::Variables &variables);

    StartRequest request(StartRequest::Role role) const;
    bool operator==(const SpawnPlan &other) const = default;
};

}  // namespace Passenger
