#include "pool/FormerClaims.h"

#include <unistd.h>

#include <exception>

#include "log/Log.h"
#include "shm/ClaimsWriter.h"
#include "shm/Layouts.h"

namespace Passenger {

namespace {

off_t offsetOf(std::uint32_t cell) {
    return static_cast<off_t>(ClaimsLayout::offset(cell));
}

std::vector<ClaimCell> takenIn(const FormerClaims::Part &part) {
    std::vector<ClaimCell> cells(part.cells.count);
    const std::size_t size = cells.size() * sizeof(ClaimCell);
    if (::pread(part.claims.get(), cells.data(), size, offsetOf(part.cells.first)) != static_cast<ssize_t>(size)) {
        return {};
    }
    std::erase_if(cells, [](const ClaimCell &cell) { return cell.ticket == 0; });
    return cells;
}

}  // namespace

unsigned FormerClaims::taken() const {
    return static_cast<unsigned>(claimed().size());
}

std::vector<std::pair<ChannelId, Ticket>> FormerClaims::claimed() const {
    std::vector<std::pair<ChannelId, Ticket>> requests;
    for (const Part &part : parts_) {
        for (const ClaimCell &cell : takenIn(part)) {
            requests.emplace_back(ChannelId(cell.channel), Ticket(cell.ticket));
        }
    }
    return requests;
}

void FormerClaims::noteDeath(bool killed) const {
    for (const Part &part : parts_) {
        try {
            ClaimsWriter writer(part.claims);
            for (std::uint32_t i = 0; i < part.cells.count; i++) {
                writer.noteDeath(part.cells.first + i, killed);
            }
        } catch (const std::exception &error) {
            Log::warn("event=claim.not_marked cell={} error=\"{}\"", part.cells.first, error.what());
        }
    }
}

std::vector<const FormerClaims::Part *> FormerClaims::inUse() const {
    std::vector<const Part *> used;
    for (const Part &part : parts_) {
        if (!takenIn(part).empty()) {
            used.push_back(&part);
        }
    }
    return used;
}

}  // namespace Passenger
