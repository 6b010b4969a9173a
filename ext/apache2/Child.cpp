#include "apache2/Child.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <exception>
#include <optional>
#include <utility>

#include "apache2/agent/AgentKeeper.h"
#include "apache2/config/Settings.h"
#include "apache2/httpd/CodePin.h"
#include "apache2/httpd/DescriptorLimit.h"
#include "apache2/request/SpoolMemory.h"
#include "base/Exceptions.h"
#include "base/SystemClock.h"

extern "C" {
#include <ap_mpm.h>
}

namespace Passenger {

namespace {

/** Seconds. Also used if PassengerPoolIdleTime is 0, with which instances never end. */
constexpr int DEFAULT_IDLE_TIME = 300;

/** One of so many of httpd's threads is kept for other requests while an application's requests
 *  wait. */
constexpr unsigned OTHERS_PART = 8;

Child *theChild = nullptr;

/** Ends this child when httpd's parent ends, since the agent ends with the parent. The signal is
 *  SIGKILL: the threaded MPMs ignore a SIGTERM that the parent has not announced. The parent's only
 *  thread forks the children's main threads, so the signal cannot come early. */
void dieWithParent(pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        // The parent ended before the call of prctl().
        _exit(0);
    }
}

apr_interval_time_t trimInterval() noexcept {
    const int idleTime = Settings::of(ap_server_conf).poolIdleTime.given.value_or(DEFAULT_IDLE_TIME);
    return apr_time_from_sec(idleTime > 0 ? idleTime : DEFAULT_IDLE_TIME) / 2;
}

/** Null: there is none, which is logged. */
std::unique_ptr<UsageLedger> openLedger() {
    try {
        return SpoolMemory::openLedger();
    } catch (const std::exception &problem) {
        ap_log_error(
            APLOG_MARK, APLOG_ERR, 0, ap_server_conf,
            "event=spool.not_counted reason=\"%s\" consequence=\"files in PassengerDataBufferDir have no limit "
            "in this child, and relayed connections do not count\"",
            problem.what());
        return nullptr;
    }
}

/** Nothing: the directive is not set. */
std::optional<std::uint64_t> bytesOf(const Settings::Number &megabytes) {
    return megabytes.given ? std::optional(static_cast<std::uint64_t>(*megabytes.given) << 20) : std::nullopt;
}

SpoolQuota::Limits spoolLimits(const Settings &settings) {
    return {bytesOf(settings.maxDataBufferSize), bytesOf(settings.maxDataBufferSizePerApp),
            bytesOf(settings.minDataBufferFreeSpace)};
}

}  // namespace

/** @param alone this process is httpd's parent, which unloads this code on a reload: the module may
 *  have no thread in it */
Child::Child(const Settings &settings, bool alone)
    : usageLedger_(openLedger()),
      limits_{
          .hijacks = ThreadLimit(mostThreads(settings.maxHijackedConnections)),
          .slowClients = ThreadLimit(mostThreads(settings.maxSlowClients)),
          .spool = SpoolQuota({usageLedger_.get(), SpoolMemory::keyOf, SystemClock::instance(), SpoolQuota::measure},
                              spoolLimits(settings), settings.dataBufferDir.value()),
          .threads = ThreadUse(usageLedger_.get(), shareOf(ThreadCounts::ofHttp2()), SystemClock::instance())},
      trimmer_(trimInterval(), !alone) {}

void Child::begin(server_rec *server) {
    ApplicationPoolServer *agent = AgentKeeper::server();
    // With httpd -X the parent is the only child.
    bool alone = getpid() == AgentKeeper::owner();
    if (!alone && AgentKeeper::owner() != 0) {
        dieWithParent(AgentKeeper::owner());
    }
    theChild = new Child(Settings::of(ap_server_conf), alone);
    if (!alone && CodePin::pin()) {
        DescriptorCloser::use(&theChild->closer_);
    }
    raiseDescriptorLimit(server);
    if (agent == nullptr) {
        return;
    }
    if (!alone) {
        agent->disown();
    }
    try {
        std::unique_ptr<RequestContext> first = theChild->newContext();
        LockGuard lock(theChild->mutex_);
        theChild->idle_.push_back(std::move(first));
    } catch (const std::exception &problem) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, server, "event=agent.not_reached reason=\"%s\"", problem.what());
    }
}

Child *Child::current() noexcept {
    return theChild;
}

void Child::stopping(bool gracefully) {
    ApplicationPoolServer *agent = AgentKeeper::server();
    if (agent != nullptr) {
        agent->ending(gracefully);
    }
}

/** The number of threads of all httpd children that one application may use. */
unsigned Child::shareOf(unsigned threads) noexcept {
    int children = 0;
    const bool known = ap_mpm_query(AP_MPMQ_MAX_DAEMONS, &children) == APR_SUCCESS && children > 0;
    const unsigned all = known ? threads * static_cast<unsigned>(children) : 0;
    return all - (all + OTHERS_PART - 1) / OTHERS_PART;
}

/** PassengerMaxHijackedConnections, for one application in this child. */
unsigned Child::mostThreads(const Settings::Number &set) noexcept {
    const unsigned all = ThreadCounts::ofMpm();
    return static_cast<unsigned>(set.given.value_or(static_cast<int>(all - all / 4)));
}

std::unique_ptr<RequestContext> Child::newContext() const {
    return std::make_unique<RequestContext>(AgentKeeper::running().connect(), share_);
}

Child::BorrowedContext Child::borrow() {
    {
        LockGuard lock(mutex_);
        if (!idle_.empty()) {
            std::unique_ptr<RequestContext> context = std::move(idle_.back());
            idle_.pop_back();
            return {*this, std::move(context)};
        }
    }
    return {*this, newContext()};
}

void Child::giveBack(std::unique_ptr<RequestContext> context) {
    {
        LockGuard lock(mutex_);
        idle_.push_back(std::move(context));
    }
    trimmer_.start();
}

}  // namespace Passenger
