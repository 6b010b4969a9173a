#pragma once

#include <chrono>

namespace Passenger {

/** The part of a MessageSession for a caller that waits for replies. Its thread rules hold. */
class ReplySource {
public:
    virtual ~ReplySource() = default;

    /** Whether receive() would return at once. If not, the application pauses, and the caller
     *  flushes to the client. */
    virtual bool replyWaiting() = 0;

    /** What awaitReply() found. */
    struct Waited {
        bool reply;
        bool socket;
    };
    /** What awaitReply() awaits of the socket. */
    enum class Awaited { ROOM, BYTES, EITHER };
    /** Between start() and the last reply: waits for a reply, or for room or bytes in a socket, for
     *  `timeout` and at most a second. A wait for bytes does not count for Options::maxRequestTime
     *  if the instance has all earlier ones. @throws SystemException */
    virtual Waited awaitReply(int socket, Awaited awaited, std::chrono::milliseconds timeout) = 0;

    /** For this time the caller waited for the client and did not read the answer. The time does
     *  not count for Options::maxRequestTime. */
    virtual void excuse(std::chrono::nanoseconds time) = 0;
};

}  // namespace Passenger
