#include "apache2/agent/AgentKeeper.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <utility>

extern "C" {
#include <apr_thread_proc.h>
}

#include "apache2/agent/AgentIdentity.h"
#include "apache2/agent/PipedLog.h"
#include "apache2/config/ConfigManifest.h"
#include "apache2/config/Directives.h"
#include "apache2/config/Settings.h"
#include "apache2/httpd/Guard.h"
#include "apache2/httpd/PoolText.h"
#include "apache2/httpd/Retained.h"
#include "base/Exceptions.h"
#include "control/ControlClient.h"
#include "control/ControlVerbs.h"
#include "io/Frame.h"

namespace Passenger {

namespace {

/** The state that outlives the unloading of the module. */
struct LeftAgent {
    Retained::Left left;
    ApplicationPoolServer::Handle handle;
    AgentIdentity identity;
    /** When the last agent was started, and when it was last seen alive (both as monotonicNow()).
     *  Then the number of agents in a row that died early or did not start. */
    apr_time_t startedAt;
    apr_time_t seenAliveAt;
    unsigned failures;
};

// A change of the layout needs a new name. The upgrade that brings it counts as httpd's start:
// drains and pauses are lost, and health checks wait for PassengerPreStart.
constexpr const char *RETAINED_NAME = "mod_passenger/agent/7";
constexpr apr_time_t SHORT_LIFE = 60 * APR_USEC_PER_SEC;
constexpr apr_time_t FIRST_PAUSE = 5 * APR_USEC_PER_SEC;
constexpr apr_time_t LONGEST_PAUSE = 600 * APR_USEC_PER_SEC;

/** What drains and is paused in the last agent, for the next one. It outlives the unloading of the
 *  module, until an agent has started. Of malloc(), or null. */
struct KeptOrders {
    char *drains;
    char *pauses;
};

/** In microseconds; a change of the system's time does not touch it. */
apr_time_t monotonicNow() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

// The pointer is valid in parent and children. The parent owns the object, which ends (or is
// released) with pconf.
ApplicationPoolServer *theServer = nullptr;
pid_t theOwner = 0;
apr_pool_t *thePconf = nullptr;
apr_pool_t *thePlog = nullptr;
/** AgentSettings::logDescriptor. */
int theLog = -1;
/** logCutOff() has logged it. */
bool theCutOffIsLogged = false;

LeftAgent &retained() {
    return Retained::data<LeftAgent>(RETAINED_NAME);
}

KeptOrders &keptOrders() {
    return Retained::data<KeptOrders>("mod_passenger/orders");
}

void keepOrders(const std::string &drains, const std::string &pauses) {
    for (auto [kept, text] : {std::pair(&keptOrders().drains, &drains), std::pair(&keptOrders().pauses, &pauses)}) {
        std::free(*kept);
        *kept = text->empty() ? nullptr : ::strdup(text->c_str());
    }
}

/** httpd reaps each of its child processes, and reports the end of the anchor within a second. */
void anchorChanged(int reason, void *process, int /*status*/) {
    if (reason == APR_OC_REASON_DEATH) {
        apr_proc_other_child_unregister(process);
        guarded(ap_server_conf, "other_child", [] { return AgentKeeper::check(ap_server_conf), OK; });
    }
}

/** Registers the anchor, if an agent runs. The registration ends with pconf. */
void watch() {
    if (theServer != nullptr && theServer->alive()) {
        auto *process = static_cast<apr_proc_t *>(apr_pcalloc(thePconf, sizeof(apr_proc_t)));
        process->pid = theServer->anchorPid();
        apr_proc_other_child_register(process, anchorChanged, process, nullptr, thePconf);
    }
}

void endServer() {
    delete theServer;
    theServer = nullptr;
}

/** Gives a running agent new settings. The agent goes on with its old settings if it cannot use the
 *  new ones, for example a log that cannot be opened. @return false: the agent has died */
bool tell(const AgentSettings &settings, server_rec *server) {
    try {
        const AgentUpdate update = theServer->update(settings);
        if (update == AgentUpdate::LATE) {
            ap_log_error(
                APLOG_MARK, APLOG_WARNING, 0, server,
                "event=agent.update_late consequence=\"requests for what this reload has added may get an "
                "error page until the agent works with the new settings, and an instance that starts meanwhile "
                "may lack a new variable\"");
        }
        return update != AgentUpdate::FAILED;
    } catch (const IOException &problem) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, server,
                     "event=agent.not_updated reason=\"%s\" consequence=\"the agent keeps its earlier settings until "
                     "the next reload\"",
                     problem.what());
        return true;
    }
}

/** Once more, if the agent has ended before it was ready: one of its processes was killed, perhaps.
 *  @throws as ApplicationPoolServer::replace() */
void startAgent(const AgentSettings &settings, server_rec *server) {
    try {
        theServer->replace(settings);
        return;
    } catch (const TimeoutException &) {
        throw;
    } catch (const IOException &problem) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server,
                     "event=agent.start_failed reason=\"%s\" action=\"one more attempt\"", problem.what());
    }
    theServer->replace(settings);
}

/**
 * Starts an agent in the place of one that has ended, or the first one. Counts the attempt. If it
 * fails, the log says so, and requests are refused until a later attempt succeeds. httpd need not
 * reload for that: a reload with a configuration that has become invalid would end it.
 */
void attempt(LeftAgent &keep, AgentSettings settings, server_rec *server) {
    settings.firstAgent = keep.handle.anchorPid == 0 && (theServer == nullptr || theServer->anchorPid() == 0);
    settings.drains = orEmpty(keptOrders().drains);
    settings.pauses = orEmpty(keptOrders().pauses);
    bool livedLong = keep.startedAt == 0 || keep.seenAliveAt - keep.startedAt >= SHORT_LIFE;
    keep.failures = livedLong ? 0 : keep.failures + 1;
    keep.startedAt = monotonicNow();
    keep.seenAliveAt = 0;
    try {
        if (theServer == nullptr) {
            // If this fails, later attempts help only the children that are forked after them.
            theServer = new ApplicationPoolServer(makeAgentHandle());
        }
        startAgent(settings, server);
        keepOrders("", "");
        if (!theServer->warning().empty()) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server, "event=agent.started warning=\"%s\"",
                         theServer->warning().c_str());
        }
    } catch (const std::exception &problem) {
        ap_log_error(
            APLOG_MARK, APLOG_CRIT, 0, server,
            "event=agent.not_started command=\"%s\" reason=\"%s\" consequence=\"requests to applications get 503\"",
            settings.agentCommand.c_str(), problem.what());
        if (theServer != nullptr) {
            theServer->refuseUsers();
        }
    }
}

void logDeath(const LeftAgent &keep, server_rec *server) {
    if (keep.handle.anchorPid != 0) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, server, "event=agent.died pid=%ld",
                     static_cast<long>(keep.handle.anchorPid));
    }
}

/** A process that was taken over has done it: the module shuts this socket down only at
 *  httpd's end. */
void logCutOff(server_rec *server) {
    if (theServer->cutOff() && !std::exchange(theCutOffIsLogged, true)) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, server,
                     "event=agent.cut_off reason=\"a process has shut the connect socket down\" consequence=\"children "
                     "that have no connection to the agent answer 503 until the next reload, which starts another "
                     "agent\"");
    }
}

/** Asks the agent, which another one is about to replace, what drains and is paused. */
void askForKeptOrders(server_rec *server) {
    // httpd waits for this. A pool process that hangs is no reason to serve late.
    constexpr std::chrono::seconds LIMIT{2};
    try {
        const Frame kept = ControlClient(theServer->connectControl(LIMIT)).order({ControlVerb::KEPT}, LIMIT);
        keepOrders(kept.field(0), kept.field(1));
    } catch (const std::exception &problem) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server,
                     "event=agent.orders_lost reason=\"%s\" consequence=\"applications that were drained or paused "
                     "are so no more\"",
                     problem.what());
    }
}

/** Another agent comes in the place of the running one, in which old children still have requests.
 *  A deliberate replacement does not count as a failure, however short the agent's life. */
void letGo(LeftAgent &keep, const char *reason, server_rec *server) {
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, server, "event=agent.replaced pid=%ld reason=\"%s\"",
                 static_cast<long>(keep.handle.anchorPid), reason);
    keep.startedAt = 0;
    theServer->letGo();
    endServer();
}

/** Takes the retained agent over. Of a dead one its place stays: the old children's requests wait
 *  for the next agent there. @return whether an agent runs */
bool adopt(LeftAgent &keep, const AgentSettings &settings, server_rec *server) {
    if (!keep.left.present) {
        return false;
    }
    keep.left.present = false;
    theServer = new ApplicationPoolServer(keep.handle);
    if (theServer->alive() && tell(settings, server)) {
        return true;
    }
    if (theServer->alive()) {
        letGo(keep, "it does not answer", server);
    } else {
        logDeath(keep, server);
    }
    return false;
}

/** The cleanup of pconf: httpd reloads or ends. Also runs in children, which own nothing. */
apr_status_t leave(void * /*unused*/) {
    if (theServer == nullptr || getpid() != theOwner) {
        return APR_SUCCESS;
    }
    try {
        if (ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_EXITING) {
            LeftAgent &keep = retained();
            keep.handle = theServer->release();
            const ApplicationPoolServer::Handle &handle = keep.handle;
            keep.left.leave(thePlog, {handle.controlSocket, handle.connectSocket, handle.serverSocket, handle.absence,
                                      handle.absenceView});
        }
        endServer();
    } catch (const std::exception &problem) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, ap_server_conf, "event=agent.not_ended reason=\"%s\"", problem.what());
    }
    return APR_SUCCESS;
}

/** Replaces an agent that has died, or that did not start. */
void replace(LeftAgent &keep, server_rec *server) {
    AgentSettings settings = agentSettings(Settings::of(server));
    settings.logDescriptor = theLog;
    if (theServer != nullptr && theServer->anchorPid() != 0) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, server,
                     "event=agent.lost consequence=\"a new agent is started, and nothing drains or is paused in it\"");
    }
    attempt(keep, settings, server);
    watch();
}

/** The first attempt is at once, the next ones after growing pauses. */
bool mayTryAgain(const LeftAgent &keep) {
    apr_time_t pause = std::min(FIRST_PAUSE << std::min(keep.failures, 16U), LONGEST_PAUSE);
    return keep.failures == 0 || monotonicNow() - keep.startedAt >= pause;
}

}  // namespace

void AgentKeeper::comeBack() noexcept {
    LeftAgent &keep = retained();
    ApplicationPoolServer::Handle &handle = keep.handle;
    keep.left.takeOver(
        {&handle.controlSocket, &handle.connectSocket, &handle.serverSocket, &handle.absence, &handle.absenceView});
}

void AgentKeeper::leaveUnsuitable(server_rec *server) {
    LeftAgent &keep = retained();
    if (!Retained::isForService() || !keep.left.present) {
        return;
    }
    const bool cutOff = agentCutOff(keep.handle);
    if (!cutOff && keep.identity == identityOf(Settings::of(server))) {
        return;
    }
    keep.left.present = false;
    theServer = new ApplicationPoolServer(keep.handle);
    if (theServer->alive()) {
        askForKeptOrders(server);
        letGo(keep, cutOff ? "a process has shut the connect socket down" : "program or settings changed", server);
    } else {
        logDeath(keep, server);
        endServer();
    }
}

int AgentKeeper::start(apr_pool_t *pconf, apr_pool_t *plog, server_rec *server) {
    if (!Retained::isForService()) {
        return OK;
    }
    Directives::logNotices(server);
    ConfigManifest::write(server);
    const Settings &settings = Settings::of(server);
    AgentSettings wantedSettings = agentSettings(settings);
    theLog = PipedLog::open(wantedSettings.logFile, plog, server);
    wantedSettings.logDescriptor = theLog;
    LeftAgent &keep = retained();
    theOwner = getpid();
    thePconf = pconf;
    thePlog = plog;
    if (!adopt(keep, wantedSettings, server)) {
        keep.identity = identityOf(settings);
        attempt(keep, wantedSettings, server);
    }
    watch();
    apr_pool_cleanup_register(pconf, nullptr, leave, apr_pool_cleanup_null);
    return OK;
}

void AgentKeeper::check(server_rec *server) {
    if (getpid() != theOwner) {
        return;
    }
    LeftAgent &keep = retained();
    if (theServer != nullptr && theServer->alive()) {
        keep.seenAliveAt = monotonicNow();
        logCutOff(server);
    } else if (mayTryAgain(keep)) {
        replace(keep, server);
    } else if (theServer != nullptr) {
        theServer->refuseUsers();
    }
}

ApplicationPoolServer *AgentKeeper::server() noexcept {
    return theServer;
}

ApplicationPoolServer &AgentKeeper::running() {
    if (theServer == nullptr) {
        throw IOException("the agent does not run; httpd's error log has the reason");
    }
    return *theServer;
}

pid_t AgentKeeper::owner() noexcept {
    return theOwner;
}

}  // namespace Passenger
