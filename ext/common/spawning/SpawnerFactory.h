#pragma once

#include <sys/types.h>

#include <string>

#include "exchange/Options.h"
#include "rights/RunAs.h"
#include "spawning/Spawner.h"

namespace Passenger {

/**
 * Makes the Spawners of applications. May be called on the event loop, except for ownerOf().
 * Outlives its Spawners.
 */
class SpawnerFactory {
public:
    virtual ~SpawnerFactory() = default;
    virtual SpawnerPtr create(const Options &options) = 0;
    /**
     * The user whose rights give access to files of the application. Without a name: the agent's
     * own. May block.
     * @throws std::exception if the user cannot be determined; spawns fail then, too
     */
    virtual RunAs ownerOf(const Options & /*options*/) const { return {}; }
    /** The control group of an application that an earlier pool process has made. Null: there are
     *  no control groups. Never blocks. */
    virtual AppGroupPtr groupNamed(const std::string & /*app*/, const std::string & /*name*/) { return nullptr; }
    /** 0 if there is no spawn server. Never blocks. */
    virtual pid_t spawnServerPid() const = 0;
};

}  // namespace Passenger
