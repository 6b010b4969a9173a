#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/Clock.h"
#include "exchange/Options.h"
#include "pool/Process.h"
#include "spawning/Spawner.h"

namespace Passenger {

using SpawnerPointer = std::shared_ptr<Spawner>;

/** The order for one instance. A plain value; the thread that spawns has a copy. */
struct SpawnTask {
    enum class Purpose {
        /** One instance more. */
        GROW,
        /** The first instance of a new version. */
        DEPLOY,
        /** The successor of an instance that is due for replacement. */
        REPLACE
    };
    Purpose purpose = Purpose::GROW;
    std::uint64_t version = 0;
    SpawnerPointer spawner;
    Options options;
    /** REPLACE: the instance that is due. */
    InstanceId replaces;
    MonotonicTime begunAt{};
    /** The instance of an earlier pool process that is to be taken over (Orphans); empty: none. */
    std::string orphan{};
    /** The process of the first attempt was killed by a signal. */
    bool secondAttempt = false;
    /** A fork of a preloader for a new version, which need not keep to the pool's limit. */
    bool aboveLimit = false;
    /** It loads the application: no preloader forks it, and no process is taken over. */
    bool loads = false;
};

}  // namespace Passenger
