#include "shm/ClaimsView.h"

#include <algorithm>
#include <cstddef>

#include "shm/Layouts.h"

namespace Passenger {

ClaimsView::ClaimsView(const FileDescriptor &fd) : mapping_(fd, ClaimsLayout::SIZE, Mapping::Access::READ_ONLY) {}

bool ClaimsView::holds(ChannelId channel, Ticket ticket) const noexcept {
    return contains(channel.value(), ticket);
}

bool ClaimsView::died(ChannelId channel, Ticket ticket) const noexcept {
    return contains(channel.value() | ClaimsLayout::DIED, ticket) || killed(channel, ticket);
}

bool ClaimsView::killed(ChannelId channel, Ticket ticket) const noexcept {
    return contains(channel.value() | ClaimsLayout::DIED | ClaimsLayout::KILLED, ticket);
}

/** The number of used cells is read after the mark was written, as the cells are. An instance that
 *  does not see the mark has claimed before, in a cell that was counted before. */
bool ClaimsView::contains(std::uint64_t channel, Ticket ticket) const noexcept {
    const std::uint32_t used =
        std::min(__atomic_load_n(mapping_.at<std::uint32_t>(offsetof(MemoryHeader, extra)), __ATOMIC_SEQ_CST),
                 ClaimsLayout::CELLS);
    for (std::uint32_t i = 0; i < used; i++) {
        const auto *cell = mapping_.at<ClaimCell>(ClaimsLayout::offset(i));
        if (__atomic_load_n(&cell->channel, __ATOMIC_SEQ_CST) == channel &&
            __atomic_load_n(&cell->ticket, __ATOMIC_SEQ_CST) == ticket.value()) {
            return true;
        }
    }
    return false;
}

}  // namespace Passenger
