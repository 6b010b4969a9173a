#pragma once

#include <cstdint>

#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "base/StrongId.h"
#include "shm/Layouts.h"
#include "shm/Mapping.h"

namespace Passenger {

/**
 * The claim of one thread of an instance: a cell of the Group's claims, and the look at the
 * withdrawal marks. Every instance that is written in C++ claims its requests with this class,
 * without any system call. ext/claims/claim_memory.h does the same for C.
 *
 * Owned by the thread that takes requests; only that thread calls it.
 *
 * Always true: the claim is in its cell before the mark is read. A child writes the mark first and
 * reads the claims then, so at least one of the two sees the other (doc/PROTOCOLS.md, section 2).
 */
class InstanceClaim {
public:
    /** The two files, mapped. The instance's threads share it. */
    struct Memory {
        /** @param senders the file of SenderMemory, which has the marks
         *  @throws SystemException, ProtocolException */
        Memory(const FileDescriptor &claims, const FileDescriptor &senders);

        Mapping claims;
        Mapping senders;
    };

    /** @param memory must live longer
     *  @param cell below ClaimsLayout::CELLS */
    InstanceClaim(const Memory &memory, std::uint32_t cell) noexcept;

    /** Claims the request, then looks at its mark. False: the request is withdrawn and must not
     *  run. In both cases the claim stays until clear() or complete(). */
    [[nodiscard]] bool take(ChannelId channel, Ticket ticket) noexcept;
    /** After SKIPPED: the request did not run. */
    void clear() noexcept;
    /** After the last message of the answer, or when the channel is shut down. Counts the
     *  request. */
    void complete(MonotonicTime now) noexcept;

private:
    const Memory &memory_;
    ClaimCell &cell_;
};

}  // namespace Passenger
