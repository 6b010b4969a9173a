#include "shm/InFlightReader.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/Split.h"

namespace Passenger {

namespace {

bool isInFlight(const InFlightEntry &entry) {
    return entry.state == InFlightState::SENDING || entry.state == InFlightState::SENT;
}

bool isOf(const InFlightEntry &entry, std::uint32_t groupSlot) {
    return entry.groupSlot == groupSlot && isInFlight(entry);
}

}  // namespace

InFlightReader::InFlightReader(FileDescriptor fd) : memory_(SharedMemory::adopt(std::move(fd), InFlightLayout::SIZE)) {}

std::vector<InFlightEntry> InFlightReader::used() const {
    const std::uint32_t used = memory_.readU32(offsetof(MemoryHeader, extra));
    std::vector<InFlightEntry> entries(std::min(used, InFlightLayout::ENTRIES));
    memory_.read(entries.data(), entries.size() * sizeof(InFlightEntry), InFlightLayout::offset(0));
    return entries;
}

std::vector<InFlightEntry> InFlightReader::inFlight() const {
    std::vector<InFlightEntry> entries = used();
    std::erase_if(entries, [](const InFlightEntry &entry) { return !isInFlight(entry); });
    return entries;
}

std::vector<InFlightEntry> InFlightReader::inFlight(std::uint32_t groupSlot) const {
    std::vector<InFlightEntry> entries = used();
    std::erase_if(entries, [&](const InFlightEntry &entry) { return !isOf(entry, groupSlot); });
    return entries;
}

/** The notes are read between two looks at the entries. If an entry is the same in both, its note
 *  is that of its request. */
std::vector<DescribedRequest> InFlightReader::described(std::uint32_t groupSlot) const {
    const std::vector<InFlightEntry> before = used();
    std::vector<RequestNote> notes(before.size());
    memory_.read(notes.data(), notes.size() * sizeof(RequestNote), InFlightLayout::note(0));
    const std::vector<InFlightEntry> after = used();
    std::vector<DescribedRequest> requests;
    for (std::size_t i = 0; i < std::min(before.size(), after.size()); i++) {
        if (isOf(before[i], groupSlot) && isOf(after[i], groupSlot) && before[i].ticket == after[i].ticket) {
            requests.push_back(describe(after[i], notes[i]));
        }
    }
    return requests;
}

/** A note of another ticket does not count: its request was not described. */
DescribedRequest InFlightReader::describe(const InFlightEntry &entry, const RequestNote &note) {
    DescribedRequest request{entry, {}, {}, {}, {}};
    if (note.ticket == entry.ticket) {
        std::string_view rest(note.text, sizeof(note.text));
        request.client = takePiece(rest, '\0');
        request.method = takePiece(rest, '\0');
        request.id = takePiece(rest, '\0');
        request.uri = takePiece(rest, '\0');
    }
    return request;
}

}  // namespace Passenger
