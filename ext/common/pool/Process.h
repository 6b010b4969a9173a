#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "base/StrongId.h"
#include "exchange/Options.h"
#include "io/Frame.h"
#include "io/RequestQueue.h"
#include "loop/DescriptorWatcher.h"
#include "policy/CpuUse.h"
#include "policy/MemoryGrowth.h"
#include "pool/BackgroundThreads.h"
#include "pool/FormerClaims.h"
#include "pool/InstanceNote.h"
#include "pool/Socket.h"
#include "spawning/CancelSwitch.h"
#include "spawning/Secrets.h"
#include "spawning/Spawner.h"

namespace Passenger {

struct Orphan;

/** The id of an instance in its pool; never used again. */
using InstanceId = StrongId<struct InstanceIdTag>;

/**
 * An instance of an application: its process, its control socket, its output, the Socket by which
 * it takes requests.
 *
 * Shared by its Group, threads and callbacks; its state is guarded by the pool's lock. Its
 * watchers' callbacks take that lock, so the last reference must never be dropped while the lock is
 * held, see Instances::bury().
 */
class Process {
public:
    enum class State {
        /** Has started, and waits until the instance that it replaces has ended, or until its
         *  version takes over. */
        STANDBY,
        /** Takes requests. */
        SERVING,
        /** Takes no new requests; ends when it has answered those that it has. */
        DRAINING,
        /** Has ended. */
        DEAD
    };

    /**
     * @param id unique in its pool
     * @param version of its application
     */
    Process(SpawnResult result, InstanceId id, std::uint64_t version, MonotonicTime now);
    /** An instance that an earlier pool process has started, and that serves. */
    Process(SpawnResult result, const Orphan &orphan, InstanceId id, std::uint64_t version, MonotonicTime now);
    ~Process();

    pid_t pid() const noexcept {
        return pid_;
    }
    InstanceId id() const noexcept {
        return id_;
    }
    /**
     * The id by which a client's next request finds the instance again; not 0, and hard to guess.
     */
    std::uint32_t stickyId() const noexcept {
        return stickyId_;
    }
    /** The version of its application that it runs, as Versions counts. */
    std::uint64_t version() const noexcept {
        return version_;
    }
    MonotonicTime since() const noexcept {
        return since_;
    }
    const SpawnResult &parts() const noexcept {
        return parts_;
    }
    /** The secrets of its environment, which reports must not show. */
    const Secrets &secrets() const noexcept {
        return secrets_;
    }
    /** What it works at since the time of earlier pool processes; null: none had it. */
    const std::shared_ptr<const FormerClaims> &former() const noexcept {
        return former_;
    }
    /** As Options::heartbeatTimeout when it was started. */
    std::chrono::seconds heartbeatTimeout() const noexcept {
        return heartbeatTimeout_;
    }
    /** What the next pool process is to know of it. The cells are those in the present claims. */
    InstanceNote note(const std::string &app) const;
    /** Whether it may have watchers. It must not be destroyed under the pool's lock then. */
    bool watched() const noexcept {
        return parts_.pidFd || parts_.control || parts_.output;
    }
    /**
     * Tells the instance to take requests from the queue (SERVE), and waits until it says READY:
     * not on the event loop, nor under a lock. Before watch(). Otherwise it is killed. One that
     * serves already has less time for that, since nothing has to be loaded.
     * @param cancel ends the wait
     * @throws SpawnException, with a report; SystemException
     */
    void beginToServe(const QueueHandover &handover, const std::string &app, const Options &options,
                      CancelSwitch &cancel);

    /**
     * Begins to watch the process. `died` is called when it has ended, `frame` for each frame from
     * its control socket; both on the loop, without the pool's lock. Once.
     */
    void watch(EventLoop &loop, std::function<void()> died, std::function<void(Frame)> frame);
    /**
     * Sends a frame on the control socket without waiting. A process that does not take it reads no
     * frames any more, and is killed.
     * @return false: too many descriptors are on their way, so nothing was sent
     */
    bool send(const Frame &frame, const std::vector<int> &descriptors = {});
    /** Counts what the limits of its control group did, and logs how it ended. Once. In a thread:
     *  its parent tells its wait status, and may be slow. */
    void logExit(BackgroundThreads &threads, const std::string &app);
    /** Asks it to finish its requests and to exit. */
    void finish();
    /** Asks it to take no requests for now. */
    void pause();
    /** Asks it to take requests again, from the queues that it has. */
    void takeRequests();
    /** Its answer to a PAUSE or to FINISH. @param idle it has no request, and takes none */
    void notePause(bool idle) noexcept {
        pauses_ = pauses_ && !idle;
        atRest_ = idle;
    }
    /** Whether it has said that it has no request and takes none. It may still have connections
     *  that it was given, as of event streams. */
    bool isAtRest() const noexcept {
        return atRest_;
    }
    /** Whether it was asked to pause and may still take a request. */
    bool pauses() const noexcept {
        return pauses_;
    }
    /** Whether SERVE has told it to take no requests at first. */
    bool beganPaused() const noexcept {
        return beganPaused_;
    }
    /**
     * Closes its own queue for senders. The caller then sends RECHECK to those whose requests are
     * in it. False: it has none, or it is closed already.
     */
    bool closeOwnQueue();
    /** Answers its FETCH. False: too many descriptors are on their way, so nothing was sent. */
    bool giveChannel(ChannelId channel, int end);
    /** Tells it to close those of the channels that it has. */
    void dropChannels(const std::vector<ChannelId> &channels);
    /**
     * Kills it because it misbehaves. Its requests must not be given to another instance, which
     * might do the same.
     */
    void kill();
    /** The process hangs. It writes where its threads are, unless it is a bridge.
     *  @param options of the application */
    void askForBacktraces(const Options &options);
    /** Asks it where its threads are. Its answer is in threads(). */
    void askForThreads();
    /** Has it write that into the log. In an application that speaks HTTP, nothing happens. */
    void logThreads();
    /** Its answer to the last question; nothing: it has not answered yet. */
    const std::optional<std::string> &threads() const noexcept {
        return threads_;
    }
    /** Ignored unless it was asked. */
    void noteThreads(const std::string &text);
    /** Whether kill() was called. Its requests must not run again then. */
    bool killed() const noexcept {
        return killed_;
    }

    /** Whether it was not told to end: it serves, or will. */
    bool stays() const noexcept {
        return state == State::SERVING || state == State::STANDBY;
    }

    State state = State::SERVING;
    Socket socket;
    /** Sticky sessions: requests that are for this instance and no other. */
    std::optional<RequestQueue> ownQueue;
    /** RestartFiles::seen() before it was started. */
    std::string restartFile = "-";
    /** How long its start took, up to the loaded application. */
    std::chrono::nanoseconds spawnTime{0};
    /** Why it is due for replacement; empty: it is not. */
    std::string replacementReason;
    /** DRAINING: its successor serves already, so it does not count for the limits. */
    bool replaced = false;
    /** Whether it only waits. Kept while other applications want room. */
    CpuUse cpuUse;
    /** Bytes of memory (PSS) when it was last measured; 0: never. */
    std::uint64_t memory = 0;
    /** Of what it shares with no other process. */
    MemoryGrowth growth;
    /** DRAINING: since when. */
    MonotonicTime leavesSince{};

private:
    void makeOwnQueue();
    Frame receiveAnswer(FrameSocket::Deadline deadline);
    void awaitReady(FrameSocket::Deadline deadline, SpawnReport &story);
    void explain(const std::exception &error, SpawnReport &story);
    void startWatchers(EventLoop &loop, std::function<void()> died);
    void readFrames();
    unsigned mostFetches() const noexcept;
    void fetch(ChannelId channel);
    void fetchHeld();
    bool isWritable() const;
    void sendIfRoom(const Frame &frame);
    void giveUp();

    SpawnResult parts_;
    Secrets secrets_{Secrets::Variables()};
    pid_t pid_;
    InstanceId id_;
    std::uint32_t stickyId_;
    std::uint64_t version_;
    MonotonicTime since_;
    std::shared_ptr<const FormerClaims> former_;
    std::chrono::seconds heartbeatTimeout_{0};
    /** As Options::stopTimeout when it was started. */
    std::chrono::seconds stopTimeout_{0};
    bool killed_ = false;
    bool beganPaused_ = false;
    bool paused_ = false;
    bool pauses_ = false;
    bool atRest_ = false;
    std::optional<std::string> threads_;
    bool threadsAsked_ = false;
    std::function<void(Frame)> frame_;
    /** Of FETCH frames whose answers have no room in the control socket: a busy instance has not
     *  read those before. Only on the loop. */
    std::deque<ChannelId> held_;
    /** The channels that it was given and not told to drop. */
    std::unordered_set<ChannelId> channels_;
    std::unique_ptr<DescriptorWatcher> deathWatcher_;
    std::unique_ptr<DescriptorWatcher> controlWatcher_;
};

using ProcessPtr = std::shared_ptr<Process>;

}  // namespace Passenger
