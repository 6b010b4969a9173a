#pragma once

#include <cstddef>
#include <string_view>

#include "base/FileDescriptor.h"
#include "base/StrongId.h"
#include "shm/Layouts.h"

namespace Passenger {

/**
 * A Group's line of requests for one generation: a SOCK_SEQPACKET pair (DESIGN: children send on one end, whichever instance is free
 * receives from the other; doc/PROTOCOLS.md, section 1).
 *
 * Owned by the Group's generation in the agent; children and instances hold duplicates of one end each. Its file flags are never
 * changed. The agent never receives on it.
 */
class RequestQueue {
public:
    enum class Outcome {
        QUEUED,
        /** The kernel's buffer is full: nothing was queued. */
        FULL,
        /** The generation is over (or the queue broke): nothing was queued. */
        CLOSED
    };

    /** @param requests that are to fit, of 16 KiB each; about 7,000 of 2 KB fit always. Without the right to (CAP_NET_ADMIN) it is as large
     *  as net.core.wmem_max allows. @throws SystemException */
    explicit RequestQueue(unsigned requests = 0);

    const FileDescriptor &sendingEnd() const noexcept {
        return sending_;
    }
    const FileDescriptor &receivingEnd() const noexcept {
        return receiving_;
    }
    /** Whether the system allowed less room than was asked for. */
    bool small() const noexcept {
        return small_;
    }
    /** Ends the generation: what is queued is still received, then its instances read the end. Nothing is queued after it returns. */
    void shutDown() noexcept;

    /** Queues one request on a sending end. Never waits. @param environment as much of it as fits the message
     *  @throws SystemException for what is neither of the outcomes */
    static Outcome send(int sendingEnd, const RequestHeader &header, std::string_view environment,
                        std::string_view body);
    /** Whether messages wait in it (bytes that no instance took yet). */
    static bool hasWaiting(int sendingEnd) noexcept;
    /** Whether the generation is over: nothing can be queued any more. Either end tells. */
    static bool closed(int end) noexcept;

private:
    FileDescriptor sending_;
    FileDescriptor receiving_;
    bool small_ = false;
};

}  // namespace Passenger
