#include "shm/InstanceClaim.h"

#include <sys/types.h>
#include <unistd.h>

#include <cerrno>

#include "base/Exceptions.h"
#include "shm/Layouts.h"

namespace Passenger {

InstanceClaim::InstanceClaim(const FileDescriptor &claims, const FileDescriptor &senders, std::uint32_t cell) noexcept
    : claims_(claims), senders_(senders), cell_(cell) {}

bool InstanceClaim::take(ChannelId channel, Ticket ticket) {
    write(channel, ticket);
    return !withdrawn(channel, ticket);
}

void InstanceClaim::clear() {
    write(ChannelId(), Ticket());
}

void InstanceClaim::write(ChannelId channel, Ticket ticket) {
    const ClaimCell claim{channel.value(), ticket.value()};
    const auto offset = static_cast<off_t>(ClaimsLayout::offset(cell_));
    if (::pwrite(claims_.get(), &claim, sizeof(claim), offset) != sizeof(claim)) {
        throw SystemException("pwrite() of a claim", errno);
    }
}

bool InstanceClaim::withdrawn(ChannelId channel, Ticket ticket) const {
    std::uint64_t mark = 0;
    const auto offset = static_cast<off_t>(SenderMemoryLayout::mark(channel.value()));
    if (::pread(senders_.get(), &mark, sizeof(mark), offset) != sizeof(mark)) {
        throw SystemException("pread() of a mark", errno);
    }
    return SenderMemoryLayout::withdraws(mark, channel.value(), ticket.value());
}

}  // namespace Passenger
