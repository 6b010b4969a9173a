#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include "base/StrongId.h"
#include "io/Frame.h"
#include "loop/DescriptorWatcher.h"
#include "loop/EventLoop.h"
#include "spawning/Spawner.h"

namespace Passenger {

/**
 * The pool's link with the process of an instance: its control socket, by which it asks for reply
 * channels, and its pidfd, which tells of its end.
 *
 * Owned by its Process. The loop calls back without the pool's lock, and destroys this object
 * (PoolContext::bury()). Once the instance has joined, frames are sent with that lock held, which
 * guards the channels. Only receiveAnswer(), answerFetches() and watch() wait.
 */
class InstanceLink {
public:
    /** @param parts outlive this object */
    explicit InstanceLink(SpawnResult &parts) : parts_(parts) {}

    /** Whether the instance has a control socket. One in memory may have none: nothing is sent. */
    bool hasControl() const { return static_cast<bool>(parts_.control); }
    /**
     * Waits for the answer to SERVE; before watch(), and not on the loop.
     * @param threads of the instance
     * @param servesAlready the instance may have sent other frames for an earlier pool process
     * @throws std::exception
     */
    Frame receiveAnswer(unsigned threads, bool servesAlready, FrameSocket::Deadline deadline);
    /**
     * Gives the instance the channels that it has asked for. Between two answers to SERVE, in place
     * of watch(). Waits only for room in the control socket.
     * @param endOf the instance's end of a channel; -1: there is no such channel
     * @return a frame that no serving instance sends; nothing: none has come
     * @throws std::exception
     */
    std::optional<Frame> answerFetches(const std::function<int(ChannelId)> &endOf, FrameSocket::Deadline deadline);
    /** The control socket, to wait for frames. */
    int control() const noexcept { return parts_.control.descriptor().get(); }
    /**
     * Begins to watch the process. `died` is called when it has ended, `frame` for each frame from
     * its control socket; both on the loop. Once.
     * @param threads of the instance: each asks for one channel at a time
     */
    void watch(EventLoop &loop, unsigned threads, std::function<void()> died, std::function<void(Frame)> frame);
    /**
     * Sends a frame without waiting. A process whose socket is full reads no frames any more, and
     * is killed.
     * @return false: too many descriptors are on their way, so nothing was sent
     */
    bool send(const Frame &frame, const std::vector<int> &descriptors = {});
    /** Sends a frame that an instance can do without: a busy or stopped one does not get it. */
    void sendIfRoom(const Frame &frame);
    /** Answers FETCH. @return as send() */
    bool giveChannel(ChannelId channel, int end);
    /** The channel did not reach the instance. @return false: it was not given */
    bool lostChannel(ChannelId channel) { return channels_.erase(channel) > 0; }
    /** Tells the instance to close those of the channels that it has. */
    void dropChannels(const std::vector<ChannelId> &channels);
    /** Sends a signal, if there is a process. A signal that the kernel refuses is logged. */
    void signal(int number);

private:
    void startWatchers(EventLoop &loop, std::function<void()> died);
    void readFrames();
    unsigned mostFetches() const noexcept;
    void fetch(ChannelId channel);
    void fetchHeld();
    bool isWritable() const;

    SpawnResult &parts_;
    unsigned threads_ = 1;
    std::function<void(Frame)> frame_;
    /** The channels of FETCH frames whose answers have no room in the control socket: a busy
     *  instance has not read earlier answers. Only on the loop. */
    std::deque<ChannelId> held_;
    /** The channels that the instance was given and not told to drop. */
    std::unordered_set<ChannelId> channels_;
    std::unique_ptr<DescriptorWatcher> deathWatcher_;
    std::unique_ptr<DescriptorWatcher> controlWatcher_;
};

}  // namespace Passenger
