#pragma once

#include "apache2/httpd/Httpd.h"
#include "client/ApplicationPoolServer.h"

namespace Passenger {

/**
 * Keeps one agent running for httpd's parent: starts it, keeps it over reloads, starts another when it died or when the configuration
 * needs it, ends it with httpd.
 *
 * Used from the parent's only thread; the children inherit what server() returns by the fork. A reload unloads this code: the handle of
 * the agent is then left in memory that httpd retains, for the next load of the module. If there is none, because the module was taken out
 * of the configuration, httpd closes what the handle names, which lets the agent end.
 */
namespace AgentKeeper {

/** Says what is wrong with PassengerRoot, before httpd starts or reloads with it (and in `apachectl configtest`). */
int checkConfiguration(apr_pool_t *temporary, server_rec *server);

/** To be called as soon as a reload has loaded this code again: takes back what was left for it. */
void comeBack() noexcept;

/** Has an agent running with the settings of `server`, unless httpd only looks at its configuration. When none can be started that is
 *  logged, and httpd serves on: it may have more to do than applications. */
int start(apr_pool_t *pconf, apr_pool_t *plog, server_rec *server);

/** Called by httpd every now and then, and when the watchdog has ended. A dead agent is replaced at once, and the children do not notice but by
 *  waiting. One that dies soon after is replaced after a pause, by a graceful reload: meanwhile nobody waits in vain. */
void check(server_rec *server);

/** Null while there is no agent. */
ApplicationPoolServer *server() noexcept;
/** httpd's parent, while it has an agent. */
pid_t owner() noexcept;

}  // namespace AgentKeeper

}  // namespace Passenger
