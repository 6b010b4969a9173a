#include "Child.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <exception>

#include "AgentKeeper.h"
#include "base/Exceptions.h"

namespace Passenger {

namespace {

Child *theChild = nullptr;

/** A child must not outlive httpd's parent, since the agent goes with the parent. SIGKILL, because the threaded MPMs ignore a SIGTERM that
 *  does not come with their parent's word. The children's main threads are forked by the parent's only thread, so the signal cannot come early. */
void dieWithParent(pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        // The parent was gone before.
        _exit(0);
    }
}

}  // namespace

void Child::begin(server_rec *server) {
    ApplicationPoolServer *agent = AgentKeeper::server();
    // With httpd -X the parent is the only child.
    bool alone = getpid() == AgentKeeper::owner();
    if (!alone && AgentKeeper::owner() != 0) {
        dieWithParent(AgentKeeper::owner());
    }
    theChild = new Child;
    if (agent == nullptr) {
        return;
    }
    if (!alone) {
        agent->disown();
    }
    try {
        theChild->borrow();
    } catch (const std::exception &problem) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, server, "event=agent.not_reached reason=\"%s\"", problem.what());
    }
}

Child *Child::current() noexcept {
    return theChild;
}

Child::BorrowedLane Child::borrow() {
    {
        LockGuard lock(mutex_);
        if (!idle_.empty()) {
            std::unique_ptr<Lane> lane = std::move(idle_.back());
            idle_.pop_back();
            return {*this, std::move(lane)};
        }
    }
    ApplicationPoolServer *agent = AgentKeeper::server();
    if (agent == nullptr) {
        throw IOException("no agent runs; the error log says why");
    }
    return {*this, std::make_unique<Lane>(agent->connect())};
}

void Child::giveBack(std::unique_ptr<Lane> lane) {
    LockGuard lock(mutex_);
    idle_.push_back(std::move(lane));
}

}  // namespace Passenger
