#include "pool/ClaimCells.h"

#include <algorithm>

namespace Passenger {

std::optional<CellRange> ClaimCells::allocate(std::uint32_t count) {
    std::uint32_t run = 0;
    for (std::uint32_t cell = 0; cell < used_.size(); cell++) {
        run = used_[cell] ? 0 : run + 1;
        if (run == count) {
            const CellRange range{cell + 1 - count, count};
            for (std::uint32_t i = 0; i < count; i++) {
                used_[range.first + i] = true;
            }
            claims_.clear(range.first, count);
            claims_.use(range.first + count);
            return range;
        }
    }
    return std::nullopt;
}

/** The cells may be in pieces, so that fewer than a part of them are in a row. */
std::optional<CellRange> ClaimCells::allocate(std::uint32_t wanted, std::uint32_t atLeast) {
    constexpr std::uint32_t PART = 8;
    const auto free = static_cast<std::uint32_t>(std::count(used_.begin(), used_.end(), false));
    std::uint32_t count = std::max(std::min(wanted, free / PART), atLeast);
    for (; count > atLeast; count = std::max(count / 2, atLeast)) {
        if (std::optional<CellRange> cells = allocate(count)) {
            return cells;
        }
    }
    return allocate(count);
}

void ClaimCells::free(const CellRange &cells) {
    claims_.clear(cells.first, cells.count);
    for (std::uint32_t i = 0; i < cells.count; i++) {
        used_[cells.first + i] = false;
    }
}

void ClaimCells::clearStrayClaims() {
    claims_.use(0);
    const std::vector<ClaimCell> all = claims_.all();
    for (std::uint32_t cell = 0; cell < all.size(); cell++) {
        if (!used_[cell] && (all[cell].channel != 0 || all[cell].ticket != 0)) {
            claims_.clear(cell);
        }
    }
}

std::vector<std::pair<ChannelId, Ticket>> ClaimCells::claimed(const CellRange &cells) const {
    std::vector<std::pair<ChannelId, Ticket>> all;
    for (const ClaimCell &claim : claims_.read(cells.first, cells.count)) {
        if (claim.channel != 0) {
            all.emplace_back(claim.channel, claim.ticket);
        }
    }
    return all;
}

bool ClaimCells::holds(const CellRange &cells, ChannelId channel, Ticket ticket) const {
    const auto all = claimed(cells);
    return std::find(all.begin(), all.end(), std::pair(channel, ticket)) != all.end();
}

unsigned ClaimCells::taken(const CellRange &cells) const {
    return static_cast<unsigned>(claimed(cells).size());
}

AnsweredRequests ClaimCells::answered(const CellRange &cells) const {
    // The application wrote the counts. Larger numbers are not exact in JSON, and readers of ?xml
    // fail.
    constexpr std::uint64_t MOST = (std::uint64_t{1} << 53) - 1;
    AnsweredRequests sum;
    for (const ClaimCell &cell : claims_.read(cells.first, cells.count)) {
        sum.count = std::min(MOST, sum.count + std::min(MOST, cell.answered));
        sum.last = std::max(sum.last, cell.lastUsed);
    }
    return sum;
}

}  // namespace Passenger
