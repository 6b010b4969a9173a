#include "shm/InFlightReader.h"

#include <algorithm>
#include <utility>

namespace Passenger {

InFlightReader::InFlightReader(FileDescriptor fd) : memory_(SharedMemory::adopt(std::move(fd), InFlightLayout::SIZE)) {}

std::vector<InFlightEntry> InFlightReader::inFlight(std::uint32_t groupSlot) const {
    const std::uint32_t used = memory_.readU32(offsetof(MemoryHeader, extra));
    std::vector<InFlightEntry> entries(std::min(used, InFlightLayout::ENTRIES));
    memory_.read(entries.data(), entries.size() * sizeof(InFlightEntry), InFlightLayout::offset(0));
    std::erase_if(entries, [&](const InFlightEntry &entry) {
        return entry.groupSlot != groupSlot ||
               (entry.state != InFlightState::SENDING && entry.state != InFlightState::SENT);
    });
    return entries;
}

}  // namespace Passenger
