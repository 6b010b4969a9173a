#pragma once

#include "apache2/httpd/Httpd.h"
#include "client/ApplicationPoolServer.h"

namespace Passenger {

/**
 * Keeps one agent running for httpd's parent. Starts the agent, keeps it over reloads, ends it with
 * httpd. Starts another one if the agent died or the configuration needs another one.
 *
 * Used from the parent's only thread; the children inherit the result of server() by fork. A reload
 * unloads this code: the agent's handle then stays in memory that httpd retains, for the next load
 * of the module. If the new configuration has no module, httpd closes the handle's descriptors, and
 * the agent ends.
 */
namespace AgentKeeper {

/** Takes over the handle that the last load has left. Called as soon as a reload has loaded this
 *  code again. */
void comeBack() noexcept;

/** Ends an agent that the last load has left, if it does not suit the configuration. Called before
 *  other modules fork processes of their own (mod_cgid): they inherit the handle's descriptors, and
 *  the agent would live as long as they. */
void leaveUnsuitable(server_rec *server);

/** Starts an agent with the settings of `server`, or gives them to the running one, unless httpd
 *  only checks its configuration. A failure is logged and httpd goes on, since httpd may serve more
 *  than applications. */
int start(apr_pool_t *pconf, apr_pool_t *plog, server_rec *server);

/** Replaces an agent that has died or did not start. httpd calls this function periodically, and
 *  when the anchor has ended. The first replacement is at once, and the children's requests wait
 *  meanwhile. An agent that dies soon after is replaced after a pause; until then requests are
 *  refused. */
void check(server_rec *server);

/** Null if no agent runs. */
ApplicationPoolServer *server() noexcept;
/** @throws IOException: no agent runs */
ApplicationPoolServer &running();
/** The pid of httpd's parent. 0 before start(). */
pid_t owner() noexcept;

}  // namespace AgentKeeper

}  // namespace Passenger
