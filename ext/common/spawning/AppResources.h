#pragma once

#include <functional>
#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "base/LimitCounts.h"
#include "base/SystemUserDatabase.h"
#include "exchange/Options.h"
#include "loop/EventLoop.h"
#include "rights/GrantsInForce.h"
#include "rights/OwnerSearch.h"
#include "rights/UserResolver.h"
#include "spawning/AppGroups.h"
#include "spawning/AppTable.h"
#include "spawning/OutputFiles.h"
#include "spawning/OutputLimits.h"
#include "spawning/SpawnManager.h"

namespace Passenger {

/**
 * What the processes of all applications share: grants, users, outputs and their limits, control
 * groups.
 *
 * Owned by the engine, which destroys it after the Pool: it outlives all spawners. Each member is
 * thread-safe.
 */
struct AppResources {
    /** Loop and manager outlive this object. */
    AppResources(EventLoop &loop, SpawnManager &manager);

    /**
     * The user of an application, or the reason why there is none. May block.
     * @throws SystemException
     */
    tl::expected<RunAs, std::string> userOf(const Options &options) const;
    /** Forgets users and events of applications, as AppTable::keep(). */
    void keepApps(const std::function<bool(const std::string &app)> &isKnown);

    EventLoop &loop;
    SpawnManager &manager;
    const LimitCountsPtr counts = std::make_shared<LimitCounts>();
    const SystemUserDatabase database;
    GrantsInForce grants;
    const UserResolver users{database, ownersBy(database), grants};
    OutputFiles outputs;
    OutputLimits outputLimits;
    /** The user as whom each application was last started, or was to be. Nothing: this pool process
     *  has not started it yet. */
    AppTable<RunAs> appUsers{Locks::APP_USERS};
    AppGroups groups;
    /** Looks at the restart files of this application, and has it restarted if they ask for it.
     *  Blocks, and throws nothing. Set before the first start. */
    std::function<void(const std::string &app)> lookForRestart = [](const std::string &) {};
};

}  // namespace Passenger
