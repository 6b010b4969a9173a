#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include "base/FileDescriptor.h"
#include "io/AgentSettings.h"
#include "pool/DescriptorStore.h"
#include "watchdog/StoreEntry.h"

namespace Passenger {

/**
 * What a pool process does, seen from its main(): everything behind the frames with the watchdog.
 *
 * Owned by PoolProcess. All methods and the destructor are called by the main thread, in this order: restore() for
 * each deposit of earlier pool processes, begin() once, update() at each reload, stop() once (also after a begin()
 * that failed), destructor. Threads may be made from the constructor on: the signals that PoolProcess listens to are
 * blocked by then. Any of them may throw what ApplicationPoolServer's constructor throws.
 */
class PoolEngine {
public:
    virtual ~PoolEngine() = default;

    /** Something that must be withdrawn when it is of no use any more. */
    virtual void restore(StoreEntry entry) = 0;
    /** Starts to serve. @param serverSocket where httpd's children ask for connections; at its end of file there are
     *  none left */
    virtual void begin(const AgentSettings &settings, FileDescriptor serverSocket) = 0;
    virtual void update(const AgentSettings &settings) = 0;
    /** After begin(). 0: it does not run (yet). */
    virtual pid_t spawnServerPid() const = 0;
    /** After begin(): what httpd's log should say about the start; mostly empty. */
    virtual std::string warning() const = 0;
    /** Ends all instances and the spawn server; within 10 seconds, after which the watchdog kills what is left. */
    virtual void stop() = 0;
};

/** @param deposits outlives the engine */
using PoolEngineFactory = std::function<std::unique_ptr<PoolEngine>(DescriptorStore &store)>;

/** The real one. */
std::unique_ptr<PoolEngine> makePoolEngine(DescriptorStore &store);

}  // namespace Passenger
