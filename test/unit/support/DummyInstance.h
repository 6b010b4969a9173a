#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "base/StrongId.h"
#include "io/Frame.h"
#include "shm/InstanceClaim.h"
#include "shm/Layouts.h"

namespace Passenger {

/**
 * An instance without a process, for tests and experiments: it speaks the instance's side of
 * doc/PROTOCOLS.md. It takes requests from the queue and claims them as every instance does. The
 * answer to each request is an empty 204; the caller decides when it is sent.
 *
 * Owned by DummyInstances. Not thread-safe: one thread at a time uses it.
 */
class DummyInstance {
public:
    /** A request that the instance has claimed and not answered. */
    struct Request {
        ChannelId channel;
        Ticket ticket;
        std::string environment;
        /** Microseconds from the sending of the request until the instance took it. */
        std::uint32_t queued = 0;
    };
    /** AT_ONCE: the instance says READY before SERVE, so that no thread has to answer it. */
    enum class Ready { AT_ONCE, WHEN_TOLD_TO_SERVE };

    /** @param control the instance's end of the control socket
     *  @param life the instance counts as dead when this is closed
     *  @param clock of the process that sends the requests */
    DummyInstance(FrameSocket control, FileDescriptor life, const Clock &clock, Ready ready);

    bool alive() const noexcept { return static_cast<bool>(life_); }
    /** Does what the agent has said so far. Never waits. */
    void listen();
    /** Takes the next request, if a thread of the instance is free. Waits only for the agent, which
     *  hands over a reply channel that is new to the instance. @return the thread, from 0 */
    std::optional<unsigned> take();
    /** What the thread works at; null: nothing. */
    const Request *at(unsigned thread) const noexcept;
    /** Ends what the thread works at. An instance that is to finish ends with the next take(), when
     *  the client can have read its last answer. */
    void answer(unsigned thread);
    /** The cell of this thread in the claims. */
    std::uint32_t cell(unsigned thread) const noexcept { return firstCell_ + thread; }
    /** 0: the instance has no queue of its own. */
    std::uint32_t stickyId() const noexcept { return stickyId_; }
    /** Waits until there is something to listen to, or to take. */
    void await() const;
    /** Whether the instance has told the agent something since the last call. */
    bool takeNews() noexcept { return std::exchange(news_, false); }
    /** Ends like a process that is killed: nothing that the instance works at is answered. */
    void die() noexcept;

private:
    void handle(Frame frame);
    void serve(Frame &frame);
    void pause(const Frame &frame);
    void tell(const Frame &frame);
    void tellIfPaused();
    void endIfFinished() noexcept;
    bool receive(int queue);
    bool receiveAny();
    int fetch(ChannelId channel);
    InstanceClaim claim(unsigned thread) const noexcept;
    void reply(const Request &request, MessageType type, std::uint16_t status);
    bool idle() const noexcept;

    const Clock &clock_;
    FrameSocket control_;
    FileDescriptor life_;
    bool saysReady_;
    FileDescriptor queue_;
    FileDescriptor ownQueue_;
    /** Of the latest SERVE. */
    std::optional<InstanceClaim::Memory> memory_;
    std::uint32_t firstCell_ = 0;
    std::uint32_t stickyId_ = 0;
    std::uint64_t maxRequests_ = 0;
    std::uint64_t answered_ = 0;
    bool paused_ = false;
    /** PAUSE was not answered yet. */
    bool owesPause_ = false;
    bool finishing_ = false;
    /** The agent was told something since takeNews(). */
    bool news_ = false;
    std::vector<std::optional<Request>> threads_;
    std::unordered_map<ChannelId, FileDescriptor> channels_;
    /** The last channel that the agent did not have. */
    ChannelId unknown_;
    std::vector<char> buffer_;
    std::size_t size_ = 0;
};

}  // namespace Passenger
