#pragma once

#include <string_view>

#include "base/FileDescriptor.h"
#include "base/StrongId.h"
#include "shm/Layouts.h"

namespace Passenger {

/**
 * A Group's queue of requests for one generation, as a SOCK_SEQPACKET pair. Children send on one
 * end; the instances that are free receive from the other (doc/PROTOCOLS.md, section 1).
 *
 * Owned by the Group's generation in the agent. Children and instances hold duplicates of one end
 * each. The file flags never change. The agent never receives from the queue.
 */
class RequestQueue {
public:
    enum class Outcome {
        QUEUED,
        /** The kernel's buffer is full: the request was not queued. */
        FULL,
        /** The generation has ended, or the queue is broken: the request was not queued. */
        CLOSED
    };

    /**
     * @param requests the number of requests of 16 KiB each that are to fit; about 7,000 of 2 KB
     *     always fit. Without CAP_NET_ADMIN, net.core.wmem_max limits the size (missingRoom()).
     * @throws SystemException
     */
    explicit RequestQueue(unsigned requests = 0);

    const FileDescriptor &sendingEnd() const noexcept { return sending_; }
    const FileDescriptor &receivingEnd() const noexcept { return receiving_; }
    /** SO_SNDBUFFORCE for the sending end, if this process may not set it. 0: the room is there. */
    int missingRoom() const noexcept { return missingRoom_; }
    /**
     * Ends the generation. Instances still receive the queued requests and then an end of file.
     * After the return no request can be queued.
     */
    void shutDown() noexcept;

    /**
     * Queues one request on a sending end. Never waits.
     * @param environment the first part, as much as fits into the message
     * @throws SystemException for all other errors
     */
    static Outcome send(int sendingEnd, const RequestHeader &header, std::string_view environment,
                        std::string_view body);
    /** Whether the queue contains messages that no instance has received. */
    static bool hasWaiting(int sendingEnd) noexcept;
    /**
     * Whether the generation has ended, so that no request can be queued. `end` may be either end.
     */
    static bool closed(int end) noexcept;

private:
    FileDescriptor sending_;
    FileDescriptor receiving_;
    int missingRoom_ = 0;
};

}  // namespace Passenger
