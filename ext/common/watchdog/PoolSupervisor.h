#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/ChildProcess.h"
#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "io/Frame.h"
#include "policy/RestartDelay.h"
#include "watchdog/StoredDescriptors.h"

namespace Passenger {

/**
 * Keeps a pool process running: starts it, gives it what its predecessors deposited, takes what it deposits, and
 * starts it again after its death. The first start that fails is reported and not repeated.
 *
 * Owned by the Watchdog, whose only thread uses it and polls descriptor(). Always true: descriptor() is -1 while no
 * pool process runs.
 */
class PoolSupervisor {
public:
    struct Events {
        /** The pool process serves. Its POOL_READY frame; at each start. */
        std::function<void(const Frame &ready)> ready;
        /** It ended before it ever was ready. An AGENT_FAILED frame, its own if it sent one. */
        std::function<void(const Frame &failure)> failed;
    };

    /** @param program of the pool process, called with the argument `pool`; asked for at each start
     *  @param serverSocket where httpd's children ask for connections; outlives this object */
    PoolSupervisor(std::function<std::string()> program, const FileDescriptor &serverSocket, const Clock &clock,
                   Events events);

    /** Gives settings to the pool process that runs (unread), and to all later ones. Descriptor 2 is the log that
     *  belongs to them. */
    void setSettings(std::vector<std::string> fields);
    /** Starts the process. After setSettings(). @throws SystemException */
    void start();
    /** Takes what the process has sent. */
    void receive();
    /** To be called when the child with this pid has ended and was not reaped yet. False when it is not ours. */
    bool reap(pid_t pid);
    /** Until a restart is due; nothing: none is planned. */
    std::optional<std::chrono::milliseconds> untilRestart() const;
    void restartIfDue();
    /** Ends the process in order, or by force after `patience`. No restart follows. */
    void stop(std::chrono::milliseconds patience);

    int descriptor() const noexcept {
        return socket_.descriptor().get();
    }

private:
    void begin();
    bool send(const Frame &frame, const std::vector<int> &attached);
    void receiveFrames(int limit);
    void handle(Frame frame);
    void disconnect();
    void processEnded(pid_t pid, int status);
    void planRestart();

    const std::function<std::string()> program_;
    const FileDescriptor &serverSocket_;
    const Clock &clock_;
    const Events events_;
    std::vector<std::string> settings_;
    StoredDescriptors store_;
    ChildProcess process_;
    FrameSocket socket_;
    /** This process sent POOL_READY. */
    bool ready_ = false;
    bool everReady_ = false;
    /** What this process said about its failure. */
    std::optional<Frame> failure_;
    MonotonicTime startedAt_;
    RestartDelay delay_;
    std::optional<MonotonicTime> restartAt_;
};

}  // namespace Passenger
