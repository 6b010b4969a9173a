#pragma once

#include <sys/types.h>

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

namespace Passenger {

/**
 * Keeps a rights process running, and connects pool processes with it.
 *
 * Owned by the Watchdog, whose main thread uses it. Exists only if the watchdog runs as root.
 */
class RightsSupervisor {
public:
    /** @param program called at each start; returns the program, whose argument is `rights` */
    RightsSupervisor(std::function<std::string()> program, const Clock &clock);

    /** Sends settings to the running process, waits until they are in force, and sends them to all
     *  later processes. Descriptor 2 is the log of these settings. */
    void setSettings(std::vector<std::string> fields);
    /** Starts the process. Needs setSettings() before. @throws SystemException */
    void start();
    /**
     * Connects a pool process: the rights process serves it from now on, and no other.
     * @param user the pool process's @param pid of the pool process
     * @return the pool process's end. While no rights process runs, the other end is closed, and
     *     the pool process waits for the next one as for one that has died
     */
    FileDescriptor connectPool(uid_t user, pid_t pid);
    /** Called when the child with this pid has ended and is not reaped. @return whether it was the
     *  rights process */
    bool reap(pid_t pid);
    /** The time until upkeep() has something to do; nothing: not as it is now. */
    std::optional<std::chrono::milliseconds> untilUpkeep() const;
    /** Restarts the process if that is due. A process that was killed and does not end is left
     *  behind. @return whether it did: the pool process needs another
     *  socket */
    bool upkeep();
    /** Ends the process. No restart follows. */
    void stop();

private:
    bool send(const Frame &frame, const std::vector<int> &attached);
    void sendSettings();
    void kill();
    bool reapEnded();
    void ended(pid_t pid, int status);

    const std::function<std::string()> program_;
    const Clock &clock_;
    std::vector<std::string> settings_;
    ChildProcess process_;
    FrameSocket socket_;
    /** When the process that was killed is left behind. */
    std::optional<MonotonicTime> leaveAt_;
    RestartDelay restart_;
};

}  // namespace Passenger
