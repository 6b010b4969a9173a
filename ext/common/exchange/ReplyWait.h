#pragma once

#include <poll.h>

#include <chrono>
#include <optional>
#include <span>

#include "base/Clock.h"
#include "exchange/MessageRequest.h"

namespace Passenger {

/** poll(2) with a reply channel among the entries. @return as poll(2), or below 0 after a signal
 *  @throws SystemException */
int pollChannel(std::span<pollfd> entries, std::chrono::milliseconds time);

/**
 * One wait for a reply: the client that may leave meanwhile, and the caller's deadline.
 *
 * Exchange::receive() and Exchange::sendBody() have one on their stack.
 */
class ReplyWait {
public:
    ReplyWait(const MessageRequest::Client &client, std::optional<MonotonicTime> deadline)
        : client_(client), deadline_(deadline) {}

    const std::optional<MonotonicTime> &deadline() const noexcept { return deadline_; }
    /** Whether a client without a socket says that it has left. */
    bool clientSaysLeft() const noexcept { return client_.hasLeft != nullptr && client_.hasLeft(client_.of); }
    /** From now on poll() also finds a client that has only closed its sending side. */
    void watchClosely() noexcept { closely_ = true; }

    /** What poll() found. */
    struct Found {
        bool timeUp = false;
        bool agentDied = false;
        bool message = false;
        /** The channel has room for a message. */
        bool room = false;
        bool clientLeft = false;
    };
    /** What poll() waits for. */
    struct Sources {
        int channel;
        /** The channel's room for a message counts, too. */
        bool room;
        /** -1: none. */
        int agentLife;
    };
    /** Waits for a source, at most for `time`. @throws SystemException */
    Found poll(const Sources &sources, std::chrono::milliseconds time) const;

private:
    MessageRequest::Client client_;
    std::optional<MonotonicTime> deadline_;
    bool closely_ = false;
};

}  // namespace Passenger
