#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "base/StrongId.h"
#include "io/DescriptorWatcher.h"
#include "io/Frame.h"
#include "pool/Socket.h"
#include "spawning/Spawner.h"

namespace Passenger {

/**
 * An instance of an application: its process, its control socket, its output, the Socket it takes requests from.
 *
 * Shared by its Group, its sessions and callbacks; its state is guarded by the pool's lock. It has watchers, whose callbacks take the pool's
 * lock: the last reference must never be dropped while that lock is held, see Group::bury().
 */
class Process {
public:
    enum class State {
        /** Takes requests. */
        SERVING,
        /** Takes no new ones; ends by itself when it is done. */
        DRAINING,
        /** Has ended. */
        DEAD
    };

    /** @param generation whose queue it takes from; zero: none */
    Process(SpawnResult result, Generation generation, const Socket &socket, MonotonicTime now);
    ~Process();

    pid_t pid() const noexcept {
        return pid_;
    }
    Generation generation() const noexcept {
        return generation_;
    }
    MonotonicTime since() const noexcept {
        return since_;
    }
    const SpawnResult &parts() const noexcept {
        return parts_;
    }

    /** Begins to watch: `died` when the process has ended, `frame` for each frame from its control socket. Both run on the loop, without
     *  the pool's lock. Once. */
    void watch(EventLoop &loop, std::function<void()> died, std::function<void(Frame)> frame);
    /** Sends a frame on the control socket without waiting. A process that does not take it is killed: it reads nothing any more. */
    void send(const Frame &frame, const std::vector<int> &descriptors = {});
    /** Where its parent tells how it ended. Once. */
    FileDescriptor takeWaitStatus() noexcept {
        return std::move(parts_.waitStatus);
    }
    /** Asks it to finish what it has and to exit. */
    void finish();
    /** Answers its FETCH. */
    void giveChannel(ChannelId channel, int end);
    /** Tells it to close those of the channels that it was given. */
    void dropChannels(const std::vector<ChannelId> &channels);
    void kill();

    State state = State::SERVING;
    Socket socket;
    /** MEMORY: when its last session ended. */
    MonotonicTime lastUsed;
    /** When it was first seen draining. */
    std::optional<MonotonicTime> drainingSince;

private:
    void startWatchers(EventLoop &loop, std::function<void()> died);
    void readFrames();
    void sendIfRoom(const Frame &frame);

    SpawnResult parts_;
    pid_t pid_;
    Generation generation_;
    MonotonicTime since_;
    std::function<void(Frame)> frame_;
    /** What it was given and not told to drop. */
    std::unordered_set<ChannelId> channels_;
    std::unique_ptr<DescriptorWatcher> deathWatcher_;
    std::unique_ptr<DescriptorWatcher> controlWatcher_;
};

using ProcessPtr = std::shared_ptr<Process>;

}  // namespace Passenger
