#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "base/FileDescriptor.h"
#include "io/Frame.h"
#include "io/SocketPair.h"
#include "watchdog/PoolSupervisor.h"

namespace Passenger {

/**
 * The root of the agent's processes: starts the pool process and keeps it running, and sees to it that everything
 * below it ends when its owner does, however that ends. It understands nothing of what the pool does; so there is
 * little that could make it fail.
 *
 * Owned by main(), in a process of its own with this one thread, which has no other children. The owner is the process
 * that made the control socket. Whatever loses its parent below comes to the watchdog (it is a subreaper), is reaped
 * when it ends, and killed in the end.
 */
class Watchdog {
public:
    /** @param control frames with the owner; its end of file is the last the owner hears of us
     *  @param poolProgram asked for at each start; called with the argument `pool` */
    Watchdog(FileDescriptor control, std::function<std::string()> poolProgram);
    ~Watchdog();
    Watchdog(const Watchdog &) = delete;
    Watchdog &operator=(const Watchdog &) = delete;

    /** Works until the owner says STOP or ends, or a SIGTERM or SIGINT comes, or the owner has closed the control socket
     *  and nobody has the connectSocket any more; then ends all descendants. Blocks these signals and SIGCHLD for good. @return the exit status. @throws SystemException */
    int run();

private:
    void adoptOrphans();
    void watchOwner();
    void turn();
    int pollTimeout() const;
    void receiveFromOwner();
    void ownerLetGo();
    void handle(Frame frame);
    void startPool(Frame start);
    void useLog(const FileDescriptor &log);
    void poolIsReady(const Frame &ready);
    void report(const Frame &frame);
    void readSignals();
    void reapChildren();
    void end();

    FrameSocket control_;
    FileDescriptor ownerPidFd_;
    FileDescriptor signals_;
    /** The owner's, and before START none: the connections of those who use the agent, whose ends (connectSocket) are the owner's to give. */
    FileDescriptor serverSocket_;
    PoolSupervisor pool_;
    bool startAsked_ = false;
    bool startReported_ = false;
    /** The owner let go: it ends with its last user. */
    bool draining_ = false;
    /** Why it is over; empty: it goes on. */
    std::string endReason_;
    int exitStatus_ = 0;
};

}  // namespace Passenger
