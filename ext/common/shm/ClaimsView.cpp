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

unsigned ClaimsView::taken() const noexcept {
    unsigned taken = 0;
    for (std::uint32_t cell = 0, end = used(); cell < end; cell++) {
        const std::uint64_t channel = channelOf(cell);
        taken += channel != 0 && (channel & ClaimsLayout::DIED) == 0;
    }
    return taken;
}

/** The number of used cells is read after the mark was written, as the cells are. An instance that
 *  does not see the mark has claimed before, in a cell that was counted before. */
bool ClaimsView::contains(std::uint64_t channel, Ticket ticket) const noexcept {
    for (std::uint32_t cell = 0, end = used(); cell < end; cell++) {
        if (channelOf(cell) == channel && __atomic_load_n(&mapping_.at<ClaimCell>(ClaimsLayout::offset(cell))->ticket,
                                                          __ATOMIC_SEQ_CST) == ticket.value()) {
            return true;
        }
    }
    return false;
}

std::uint32_t ClaimsView::used() const noexcept {
    return std::min(__atomic_load_n(mapping_.at<std::uint32_t>(offsetof(MemoryHeader, extra)), __ATOMIC_SEQ_CST),
                    ClaimsLayout::CELLS);
}

std::uint64_t ClaimsView::channelOf(std::uint32_t cell) const noexcept {
    return __atomic_load_n(&mapping_.at<ClaimCell>(ClaimsLayout::offset(cell))->channel, __ATOMIC_SEQ_CST);
}

}  // namespace Passenger
