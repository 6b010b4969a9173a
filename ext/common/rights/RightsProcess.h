#pragma once

#include <sys/types.h>

#include <exception>
#include <set>
#include <vector>

#include "base/FileDescriptor.h"
#include "base/LogLimit.h"
#include "io/Frame.h"
#include "rights/OwnRights.h"
#include "rights/RightsServer.h"

namespace Passenger {

/**
 * `passenger-agent rights`: the process that has root's rights for the pool process. Its parent,
 * the watchdog, sends it the settings of httpd's parent and a socket for each pool process. The
 * process has one thread and starts no interpreter as root.
 *
 * Each connection of the pool process is served by a child of its own, forked from this process. A
 * child that has worked on a request for RIGHTS_REQUEST_SECONDS is killed by its own timer. So
 * neither a file system that does not answer nor a process that holds its memory's lock delays
 * other requests. A killed child that the kernel does not let end takes no other one's place.
 * Signals alone are sent by this process itself. New settings and a new pool process end all
 * children, between two requests.
 */
class RightsProcess {
public:
    /** @param watchdog frames of the watchdog
     *  @param agent the anchor: the ancestor of all processes of the agent */
    RightsProcess(FileDescriptor watchdog, pid_t agent);

    /** Runs until the watchdog's socket ends. @return the exit status
     *  @throws SystemException */
    int run();

    /** The types of all frames that the pool process may send, beside those on its connections. */
    static std::vector<FrameType> orderTypes();

private:
    struct Order {
        FrameType type;
        void (*carryOut)(RightsProcess &process, Frame &frame);
    };
    static const std::vector<Order> &orders();

    int pollTimeout();
    void receiveFromWatchdog();
    void receiveFromPool();
    void connect(FileDescriptor connection);
    void refuse(FileDescriptor connection, const std::exception &reason);
    void leaveKilledBehind();
    void signal(Frame &frame);
    [[noreturn]] void serve(FileDescriptor connection);
    void endChildren();
    void readSignals();

    FrameSocket watchdog_;
    const pid_t agent_;
    /** The pool process; none before the first one. */
    FrameSocket pool_;
    FileDescriptor signals_;
    OwnRights own_;
    RightsServer server_;
    /** They are reaped when they have ended, so these pids are theirs. */
    std::set<pid_t> children_;
    /** Those of them that do not end although they are killed: the kernel waits in them. */
    std::set<pid_t> left_;
    LogLimit failures_;
    bool configured_ = false;
    bool ending_ = false;
    /** The agent ends in order, and with it all processes of applications. */
    bool stopped_ = false;
};

}  // namespace Passenger
