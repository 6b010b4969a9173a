#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "base/Report.h"
#include "exchange/MessageSession.h"
#include "exchange/Options.h"
#include "exchange/Session.h"

namespace Passenger {

namespace Application {
/** The names that Phusion Passenger 1.0 gave these types. */
using Session = Passenger::Session;
using SessionPtr = Passenger::SessionPtr;
}  // namespace Application

/**
 * Keeps application instances, finds or makes one for a request, and opens sessions. The interface
 * of Phusion Passenger 1.0, plus get(Options) and report(); doc/ORIGINS.md says where the two
 * differ.
 *
 * Implementations: RemoteApplicationPool, which ApplicationPoolServer::connect() returns, and
 * StandardApplicationPool (in this process), which only tests use. Thread-safe, but a
 * RemoteApplicationPool holds one session at a time.
 */
class ApplicationPool {
public:
    using SessionPtr = Passenger::SessionPtr;

    virtual ~ApplicationPool() = default;

    /** Opens a session with the application in `appRoot`, starts the application if needed,
     *  and waits until an instance has taken the session.
     *  @param appRoot absolute; two spellings of one folder are two applications
     *  @param lowerPrivilege a new instance runs as the owner of its startup file; false: as
     *  `lowestUser`
     *  @param lowestUser instead of root or an unknown owner; never root
     *  @throws SpawnException (no instance could be started, or the pool refused the session
     *  because its queue is full), IOException (the pool cannot be reached, or broke the protocol),
     *  SystemException (a system call failed) */
    virtual SessionPtr get(const std::string &appRoot, bool lowerPrivilege = true,
                           const std::string &lowestUser = "nobody") = 0;

    /** A session that exchanges messages, not yet started. Does not wait for an instance.
     *  @throws IOException (the pool cannot be reached; a session of this pool object is still
     *  open), SystemException */
    virtual MessageSessionPtr get(const Options &options) = 0;

    /** Looks at the application's restart files, and restarts it if they ask for it. Waits for the
     *  look, and not for an instance. Does nothing if the application is not known.
     *  @param name see Options::groupName()
     *  @return whether the pool could look
     *  @throws IOException, SystemException */
    virtual bool checkRestart(const std::string &name) = 0;

    /** The report with the id of a REFUSED reply. Nothing: the pool no longer has the report.
     *  @throws IOException, SystemException */
    virtual std::optional<Report> report(const std::string &id, const std::string &app) = 0;

    virtual void clear() = 0;
    /** Sets the most instances that may exist at once. If more exist, idle instances end at once,
     *  and busy instances end when they have become idle. */
    virtual void setMax(unsigned max) = 0;
    /** The requests that instances have taken and not finished, without those in the queue. */
    virtual unsigned getActive() const = 0;
    /** The number of all instances. */
    virtual unsigned getCount() const = 0;
    /** The spawn server that was started last; 0 if it has ended. */
    virtual pid_t getSpawnServerPid() const = 0;
};

using ApplicationPoolPtr = std::shared_ptr<ApplicationPool>;

}  // namespace Passenger
