#pragma once

#include <cstdint>

namespace Passenger {

/** A run of cells in a Group's claims: one for each thread of an instance. */
struct CellRange {
    std::uint32_t first = 0;
    std::uint32_t count = 0;

    bool contains(std::uint32_t cell) const noexcept { return cell >= first && cell - first < count; }
};

}  // namespace Passenger
