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
 * The pool process behind main(): everything but the frames of the watchdog.
 *
 * Owned by PoolProcess. The main thread calls all methods and the destructor. The order is:
 * restore() for each store entry of earlier pool processes, begin() once, update() at each reload,
 * stop() once. After a begin() that has failed the process exits without stop(). The engine may
 * start threads in the constructor and later: the signals that PoolProcess receives are blocked by
 * then. Each method may throw the exceptions of ApplicationPoolServer's constructor.
 */
class PoolEngine {
public:
    virtual ~PoolEngine() = default;

    /** Takes back an entry of the descriptor store. The engine removes the entry when it is no
     *  longer needed. */
    virtual void restore(StoreEntry entry) = 0;
    /** Starts to serve. @param serverSocket where httpd's children ask for connections; end of
     *  file: no child is left */
    virtual void begin(const AgentSettings &settings, FileDescriptor serverSocket) = 0;
    virtual void update(const AgentSettings &settings) = 0;
    /** The answer to PoolEngineParts::reopenLog with this number. @param error empty: the log is
     *  open anew */
    virtual void logReopened(const std::string &number, const std::string &error) = 0;
    /** httpd has another agent, or needs none, but children of before may still send requests. */
    virtual void release() = 0;
    /** Called after begin(). 0: the spawn server does not run (yet). */
    virtual pid_t spawnServerPid() const = 0;
    /** Called after begin(). A warning about the start for httpd's log, mostly empty. */
    virtual std::string warning() const = 0;
    /** Calls `answer` on the event loop: after that the loop is known to run. */
    virtual void ping(std::function<void()> answer) = 0;
    /** Ends all instances and the spawn server, within 10 seconds: then the watchdog kills the
     *  remaining processes. */
    virtual void stop() = 0;
};

/** What an engine has of its process. All outlives the engine. */
struct PoolEngineParts {
    DescriptorStore &store;
    /** Asks for the log file to be opened anew; PoolEngine::logReopened() follows. Thread-safe. */
    std::function<void(const std::string &number)> reopenLog;
};

using PoolEngineFactory = std::function<std::unique_ptr<PoolEngine>(const PoolEngineParts &parts)>;

}  // namespace Passenger
