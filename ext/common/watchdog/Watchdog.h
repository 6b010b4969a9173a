#pragma once

#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/FileDescriptor.h"
#include "io/Frame.h"
#include "io/SocketPair.h"
#include "watchdog/PoolSupervisor.h"
#include "watchdog/RightsSupervisor.h"

namespace Passenger {

/**
 * Starts the pool process and the rights process, and keeps them running. What a later watchdog
 * needs is copied to the Anchor, its parent. It knows nothing of the pool's work, so it has few
 * causes of failure.
 *
 * Owned by main(), in a process with this thread and those of DescriptorCloser, and no other
 * children. The owner is the process that made the control socket. The watchdog is a subreaper:
 * orphaned descendants become its children. It reaps those that end, and kills the others at its
 * own end.
 */
class Watchdog {
public:
    /**
     * @param anchor frames with the anchor. The first ones are what the watchdog before has left,
     *     and the control socket for frames with the owner
     * @param program called at each start; returns the program, which gets the argument `pool` or
     *     `rights`
     */
    Watchdog(FileDescriptor anchor, std::function<std::string()> program);
    ~Watchdog();
    Watchdog(const Watchdog &) = delete;
    Watchdog &operator=(const Watchdog &) = delete;

    /**
     * Runs until the owner or the anchor sends STOP, or the anchor ends. Also until the owner has
     * closed the control socket and no process has the connectSocket any more. Then ends all
     * descendants. Blocks SIGCHLD permanently.
     * @return the exit status
     * @throws SystemException
     */
    int run();

private:
    void adoptOrphans();
    void begin();
    void goOn(Frame begin);
    void turn();
    int pollTimeout() const;
    void receiveFromAnchor();
    void anchorEnded();
    void anchorLost(const std::exception &exception);
    void tellAnchor(const Frame &frame, const std::vector<int> &attached);
    void receiveFromOwner();
    void ownerLetGo();
    void handle(Frame frame);
    void startPool(Frame start);
    void startRights(const std::vector<std::string> &fields);
    void poolIsReady(const Frame &ready);
    void settingsDone(const std::string &update);
    void reopenLog(const std::string &number);
    void tellOthers(const std::vector<std::string> &settings);
    void report(const Frame &frame);
    void readSignals();
    void reapChildren();
    void end();

    FrameSocket anchor_;
    /** Its end of file tells the owner that the agent has ended. */
    FrameSocket control_;
    FileDescriptor signals_;
    /**
     * Received with START, empty before. On this socket the pool process gets requests for
     * connections. The owner gives the other end (connectSocket) to its children.
     */
    FileDescriptor serverSocket_;
    const std::function<std::string()> program_;
    /** None: the watchdog does not run as root. */
    std::optional<RightsSupervisor> rights_;
    PoolSupervisor pool_;
    bool startAsked_ = false;
    bool startReported_ = false;
    /** The owner waits for SETTINGS_DONE. */
    bool settingsAwaited_ = false;
    /** The number of the pool process's last REOPEN_LOG, until it is done. */
    std::optional<std::string> reopening_;
    /** The owner has closed the control socket. The agent ends with its last user. */
    bool draining_ = false;
    /** The reason for the end; empty while the watchdog works. */
    std::string endReason_;
    int exitStatus_ = 0;
};

}  // namespace Passenger
