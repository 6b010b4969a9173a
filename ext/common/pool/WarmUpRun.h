#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/FileDescriptor.h"
#include "base/StrongId.h"
#include "io/Frame.h"
#include "io/ReplyChannel.h"
#include "io/RequestQueue.h"
#include "io/SocketPair.h"
#include "pool/InstanceLink.h"
#include "shm/Claims.h"
#include "shm/SenderMemory.h"

namespace Passenger {

/**
 * Sends a new instance the requests of PassengerWarmUp, one after the other, and drops the answers.
 * They have a queue, claims and a reply channel of their own, so no part of the pool counts them or
 * waits for them. The instance gets the application's queue afterwards. This is not a health check:
 * whatever comes of the requests, the instance serves.
 *
 * Used by the thread that starts the instance, without a lock.
 */
class WarmUpRun {
public:
    /** @param limit for all requests together, from now on. @throws SystemException */
    WarmUpRun(InstanceLink &link, std::string app, std::chrono::milliseconds limit);

    /** For SERVE: the queue's receiving end, claims and withdrawal marks. This object owns them. */
    std::vector<int> descriptors() const;
    /**
     * Returns when the last answer is over, with all that the application does behind it; or at
     * the limit.
     * @return a frame by which the instance says that it does not serve; nothing: none has come
     * @throws std::exception: the instance has ended
     */
    std::optional<Frame> send(const std::vector<std::string> &environments);

private:
    /** What has come of a request. */
    struct Outcome {
        /** 0: no answer has begun. */
        unsigned status = 0;
        /** Why there is no whole answer; empty: there is one. */
        std::string problem;
    };

    WarmUpRun(InstanceLink &link, std::string app, std::chrono::milliseconds limit, DescriptorPair channel);
    enum class Received { NOTHING, MESSAGE, LAST };

    std::optional<Frame> ask(std::string_view environment, Outcome &outcome);
    std::optional<Frame> awaitEnds();
    std::optional<Frame> answerFetches();
    bool queue(std::string_view environment, Ticket ticket);
    bool wasDropped(Ticket ticket);
    Received receive(Ticket ticket, Outcome &outcome);
    void await(FrameSocket::Deadline deadline) const;
    bool timeIsUp() const;
    void log(std::string_view environment, const Outcome &outcome, std::chrono::nanoseconds time) const;

    InstanceLink &link_;
    const std::string app_;
    const std::chrono::milliseconds limit_;
    const FrameSocket::Deadline deadline_;
    RequestQueue queue_;
    const Claims claims_;
    SenderMemory senders_;
    const FileDescriptor marks_;
    ReplyChannel channel_;
    const FileDescriptor instanceEnd_;
    std::vector<char> buffer_;
};

}  // namespace Passenger
