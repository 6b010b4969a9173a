#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/ChildProcess.h"
#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "io/AgentSettings.h"
#include "io/Frame.h"
#include "policy/RestartDelay.h"
#include "watchdog/StoredDescriptors.h"

namespace Passenger {

/**
 * The outermost process of the agent. It starts the watchdog, has copies of what the watchdog
 * stores, and starts another watchdog with them when one has died. It decides nothing else, so it
 * has few causes of failure.
 *
 * Owned by main(), in a process with this thread and those of DescriptorCloser. The owner is the
 * process that made the control socket. The anchor is a subreaper: what a dead watchdog leaves
 * becomes its children. So all processes of the agent are descendants of one process at all times.
 */
class Anchor {
public:
    /**
     * @param control frames between the owner and the watchdog; the anchor reads none of them
     * @param program called at each start; returns the program, which gets the argument `watchdog`
     */
    Anchor(FileDescriptor control, std::function<std::string()> program);
    ~Anchor();
    Anchor(const Anchor &) = delete;
    Anchor &operator=(const Anchor &) = delete;

    /**
     * Runs until a watchdog has ended in order. The owner tells it to end, or the anchor does when
     * the owner ends. Then kills what is left of the agent. Blocks SIGCHLD permanently.
     * @return the exit status
     * @throws SystemException
     */
    int run();

private:
    void watchOwner();
    void turn();
    int pollTimeout() const;
    void start();
    void startIfDue();
    void receive();
    void handle(Frame frame);
    void useSettings(Frame &frame);
    void endWatchdog();
    void limitEnd();
    void abandonWatchdog();
    void abandonIfLate();
    void readSignals();
    void watchdogEnded(int status);
    void end();

    FileDescriptor control_;
    const std::function<std::string()> program_;
    const Clock &clock_;
    FileDescriptor ownerPidFd_;
    FileDescriptor signals_;
    ChildProcess watchdog_;
    FrameSocket socket_;
    /** The agent serves: a further watchdog goes on with the settings and this socket. */
    std::optional<FileDescriptor> serverSocket_;
    std::vector<std::string> settings_;
    StoredDescriptors store_;
    RestartDelay restart_;
    /** AgentSettings::stopTimeout. */
    std::chrono::seconds stopTimeout_ = AgentSettings().stopTimeout;
    /** By when the watchdog must have ended, once it was told to or has said that it ends. */
    std::optional<MonotonicTime> endBy_;
    /** The watchdog ends in order, or will. */
    bool ending_ = false;
    bool ended_ = false;
    int exitStatus_ = 0;
};

}  // namespace Passenger
