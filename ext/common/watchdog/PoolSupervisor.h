#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ChildProcess.h"
#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "base/FileRights.h"
#include "io/AgentSettings.h"
#include "io/Frame.h"
#include "policy/RestartDelay.h"
#include "watchdog/AnswerWatch.h"
#include "watchdog/ProcessorShortage.h"
#include "watchdog/StoredDescriptors.h"

namespace Passenger {

/**
 * Keeps a pool process running: starts it, gives it the descriptors that earlier pool processes
 * stored, stores new ones, and restarts it after its death. A process whose event loop stands still
 * for PassengerAgentTimeout is killed. A killed process that does not end within END_PATIENCE waits
 * in the kernel: it is left behind, and another one is started. If the first start fails, the
 * failure is reported and the start is not repeated.
 *
 * Owned by the Watchdog, whose main thread uses it and polls descriptor(). Always true:
 * descriptor() is -1 while no pool process runs.
 */
class PoolSupervisor {
public:
    /** The time for SIGKILL to take effect. */
    static constexpr std::chrono::milliseconds END_PATIENCE{2000};

    struct Events {
        /** The pool process serves. Called at each start, with its POOL_READY frame. */
        std::function<void(const Frame &ready)> ready;
        /**
         * The first pool process ended before it was ready. The frame is AGENT_FAILED: the
         * process's own, if it sent one.
         */
        std::function<void(const Frame &failure)> failed;
        /** The pool process has sent this STORE or REMOVE. */
        std::function<void(const Frame &change)> stored;
        /** The last settings are in force, or no process can serve with others: it has ended, and
         *  the next one begins with them. May be called repeatedly.
         *  @param update their AgentSettings::update */
        std::function<void(const std::string &update)> settingsDone;
        /** The pool process wants the log file opened anew. logReopened() with the same number is
         *  to follow. */
        std::function<void(const std::string &number)> reopenLog;
    };

    struct Rights {
        /** The user that the pool process becomes. */
        FileRights user;
        /** AgentSettings::seccomp as in a frame. */
        std::string seccomp;
        /** Returns the socket of the pool process with this pid, called at each start. */
        std::function<FileDescriptor(pid_t pid)> connect;
    };

    /**
     * @param program returns the pool process's program, called with the argument `pool`; called at
     *     each start
     * @param serverSocket on which httpd's children request connections; outlives this object
     */
    PoolSupervisor(std::function<std::string()> program, const FileDescriptor &serverSocket, const Clock &clock,
                   Events events);

    /**
     * Sends settings to the running pool process and to all later ones. Descriptor 2 is the log of
     * these settings.
     */
    void setSettings(std::vector<std::string> fields);
    const std::vector<std::string> &settings() const noexcept { return settings_; }
    /** The running pool process and all later ones end the applications that no request needs. */
    void release();
    /** Answers Events::reopenLog. Empty: descriptor 2 is the log now. */
    void logReopened(const std::string &number, const std::string &error);
    /** An entry that an earlier pool process has stored with another watchdog. */
    void restore(StoreEntry entry);
    /** Starts the pool process. A failure is logged, and the start is repeated. */
    void startAgain();
    /** All later processes give up root's rights. */
    void useRights(Rights rights) { rights_.emplace(std::move(rights)); }
    /** The running process gets a socket of another rights process. */
    void renewRights();
    /** Starts the process. Needs setSettings() before. @throws SystemException */
    void start();
    /** Handles the frames that the process has sent. */
    void receive();
    /**
     * Called when the child with this pid has ended and is not reaped.
     * @return false if it is no pool process
     */
    bool reap(pid_t pid);
    /** The time until upkeep() has something to do; nothing: not as it is now. */
    std::optional<std::chrono::milliseconds> untilUpkeep() const;
    /** Restarts the process if that is due. Asks the process whether its event loop runs, and kills
     *  it if it does not answer in time. */
    void upkeep();
    /** Waits for the process's end for `patience` and AgentSettings::stopTimeout, then kills it and
     *  waits for END_PATIENCE. No restart follows. */
    void stop(std::chrono::milliseconds patience);

    int descriptor() const noexcept { return socket_.descriptor().get(); }

private:
    void begin();
    bool send(const Frame &frame, const std::vector<int> &attached);
    void receiveFrames(int limit);
    void handle(Frame frame);
    void disconnect();
    void kill();
    bool reapEnded();
    void leaveIfKilled();
    void processEnded(pid_t pid, int status);
    void tryToStart();
    void killIfSilent();

    const std::function<std::string()> program_;
    const FileDescriptor &serverSocket_;
    const Clock &clock_;
    const Events events_;
    std::vector<std::string> settings_;
    bool released_ = false;
    /** AgentSettings::update of the settings. */
    std::string update_;
    /** See AgentSettings::stopTimeout. */
    std::chrono::seconds stopTimeout_ = AgentSettings().stopTimeout;
    /** None: the pool process runs as the watchdog's user. */
    std::optional<Rights> rights_;
    StoredDescriptors store_;
    ChildProcess process_;
    FrameSocket socket_;
    /** The present process has sent POOL_READY. */
    bool ready_ = false;
    bool everReady_ = false;
    /** The present process's AGENT_FAILED frame. */
    std::optional<Frame> failure_;
    AnswerWatch answers_;
    /** Looked at since AnswerWatch::watchesNow(). */
    ProcessorShortage shortage_;
    /** When the process that was killed is left behind. */
    std::optional<MonotonicTime> leaveAt_;
    /** Processes that were killed since they did not answer. */
    std::uint64_t kills_ = 0;
    RestartDelay restart_;
};

}  // namespace Passenger
