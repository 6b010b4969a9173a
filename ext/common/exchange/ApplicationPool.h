#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "base/Report.h"
#include "exchange/Options.h"
#include "exchange/Session.h"

namespace Passenger {

namespace Application {
/** The names of seed 002. */
using Session = Passenger::Session;
using SessionPtr = Passenger::SessionPtr;
}  // namespace Application

/**
 * Keeps application instances, finds or makes one for a request, and opens sessions. The interface of seed 002 (v1), plus get(Options).
 *
 * Implementations: StandardApplicationPool (in this process), and what ApplicationPoolServer::connect() returns. Thread-safe, but a
 * connect()ed one holds one session at a time.
 */
class ApplicationPool {
public:
    using SessionPtr = Passenger::SessionPtr;

    virtual ~ApplicationPool() = default;

    /** Opens a stream session with the application in `appRoot`, starting it when needed, and waits until an instance has taken it.
     *  @param lowerPrivilege run a new instance as the owner of its startup file
     *  @param lowestUser instead of root or an unknown owner
     *  @throws SpawnException (no instance could be started), IOException (anything else) */
    virtual SessionPtr get(const std::string &appRoot, bool lowerPrivilege = true,
                           const std::string &lowestUser = "nobody") = 0;

    /** A session in its message form, not yet started. Does not wait for an instance.
     *  @throws IOException (the pool cannot be reached; a session of this pool object is still open), SystemException */
    virtual SessionPtr get(const Options &options) = 0;

    /** What a REFUSED reply's report id stands for. Nothing: the pool has it no more. @throws IOException, SystemException */
    virtual std::optional<Report> report(const std::string &id, const std::string &app) = 0;

    /** Ends all instances. */
    virtual void clear() = 0;
    /** Sets how many instances there may be at once. May be below the current number: none is ended for it. */
    virtual void setMax(unsigned max) = 0;
    /** Instances that have a session now. */
    virtual unsigned getActive() const = 0;
    /** All instances. */
    virtual unsigned getCount() const = 0;
    /** 0 while it does not run. */
    virtual pid_t getSpawnServerPid() const = 0;
};

using ApplicationPoolPtr = std::shared_ptr<ApplicationPool>;

}  // namespace Passenger
