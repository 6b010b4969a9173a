#pragma once

#include <cstddef>
#include <cstdint>

#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "base/StrongId.h"
#include "shm/Layouts.h"

namespace Passenger {

/**
 * The claim of one thread of an instance: a cell of the Group's claims, and the look at the
 * withdrawal marks. Every instance that is written in C++ claims its requests with this class.
 *
 * Owned by the thread that takes requests; only that thread calls it. The two descriptors stay the
 * caller's and must live longer.
 *
 * Always true: the claim is in its cell before the mark is read. A child writes the mark first and
 * reads the claims then, so at least one of the two sees the other (doc/PROTOCOLS.md, section 2).
 */
class InstanceClaim {
public:
    /**
     * @param senders the file of SenderMemory, which has the marks
     * @param cell below ClaimsLayout::CELLS
     */
    InstanceClaim(const FileDescriptor &claims, const FileDescriptor &senders, std::uint32_t cell) noexcept;

    /**
     * Claims the request, then looks at its mark. False: the request is withdrawn and must not run.
     * In both cases, and when it throws, the claim stays until clear() or complete().
     * @throws SystemException
     */
    [[nodiscard]] bool take(ChannelId channel, Ticket ticket);
    /**
     * After SKIPPED: the request did not run.
     * @throws SystemException
     */
    void clear();
    /**
     * After the last message of the answer, or when the channel is shut down. Counts the request.
     * @throws SystemException
     */
    void complete(MonotonicTime now);

private:
    void write(const ClaimCell &value, std::size_t size);
    bool withdrawn(ChannelId channel, Ticket ticket) const;

    const FileDescriptor &claims_;
    const FileDescriptor &senders_;
    const std::uint32_t cell_;
};

}  // namespace Passenger
