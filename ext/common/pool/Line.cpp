#include "pool/Line.h"

namespace Passenger {

std::optional<CellRange> Line::allocate(std::uint32_t count) {
    std::uint32_t run = 0;
    for (std::uint32_t cell = 0; cell < used_.size(); cell++) {
        run = used_[cell] ? 0 : run + 1;
        if (run == count) {
            const CellRange range{cell + 1 - count, count};
            for (std::uint32_t i = 0; i < count; i++) {
                used_[range.first + i] = true;
                claims_.clear(range.first + i);
            }
            return range;
        }
    }
    return std::nullopt;
}

void Line::free(const CellRange &cells) {
    for (std::uint32_t i = 0; i < cells.count; i++) {
        claims_.clear(cells.first + i);
        used_[cells.first + i] = false;
    }
}

}  // namespace Passenger
