#include "shm/Claims.h"

#include <algorithm>

namespace Passenger {

Claims::Claims()
    : memory_("passenger-claims", ClaimsLayout::SIZE, ClaimsLayout::MAGIC, ClaimsLayout::CELLS),
      writer_(memory_.descriptor()) {
    use(0);
}

std::optional<ClaimCell> Claims::read(std::uint32_t cell) const {
    ClaimCell value{};
    memory_.read(&value, sizeof(value), ClaimsLayout::offset(cell));
    if (value.channel == 0) {
        return std::nullopt;
    }
    return value;
}

std::vector<ClaimCell> Claims::read(std::uint32_t first, std::uint32_t count) const {
    std::vector<ClaimCell> cells(count);
    memory_.read(cells.data(), cells.size() * sizeof(ClaimCell), ClaimsLayout::offset(first));
    return cells;
}

std::vector<ClaimCell> Claims::all() const {
    return read(0, used_);
}

void Claims::use(std::uint32_t end) {
    used_ = std::max(used_, end);
    writer_.use(used_);
}

bool Claims::holds(ChannelId channel, Ticket ticket) const {
    const std::vector<ClaimCell> cells = all();
    return std::any_of(cells.begin(), cells.end(), [&](const ClaimCell &cell) {
        return cell.channel == channel.value() && cell.ticket == ticket.value();
    });
}

unsigned Claims::taken() const {
    const std::vector<ClaimCell> cells = all();
    return static_cast<unsigned>(std::count_if(cells.begin(), cells.end(), [](const ClaimCell &cell) {
        return cell.channel != 0 && (cell.channel & ClaimsLayout::DIED) == 0;
    }));
}

void Claims::clear(std::uint32_t cell, std::uint32_t count) {
    for (const std::uint32_t end = cell + count; cell < end; cell++) {
        writer_.clear(cell);
    }
}

void Claims::noteDeath(std::uint32_t cell, bool killed) {
    writer_.noteDeath(cell, killed);
}

}  // namespace Passenger
