#pragma once

#include <cstdint>

#include "shm/SenderMemoryView.h"

namespace Passenger {

/**
 * Finds that an instance took a request and has not claimed it, while the queue is never empty.
 *
 * The queue is first come, first served. If more requests were answered since the first look than
 * were in flight then, the request was taken. Answers from instances' own queues count, too, so the
 * check can be wrong. Therefore, after each time that the request was sent again, the check waits
 * for twice as many answers. The request loses its place in the queue a few times at most.
 *
 * A part of an Exchange, with its thread rules.
 */
class OvertakenCheck {
public:
    /** A new ticket was sent. */
    void restart() noexcept { overtakenAt_ = 0; }
    /**
     * @param resends how often the request was sent again
     * @param priorityQueue for each request of this queue, four of the other one may be taken
     */
    bool overtaken(const SenderMemoryView &senders, std::uint32_t childSlots, unsigned resends,
                   bool priorityQueue) noexcept;

private:
    /** The number of answers that shows the overtaking. 0: the first look is yet to come. */
    std::uint64_t overtakenAt_ = 0;
    /** The number of answers at the last look. */
    std::uint64_t completedBefore_ = 0;
};

}  // namespace Passenger
