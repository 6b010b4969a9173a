#pragma once

#include <array>
#include <cstdint>

#include "shm/Layouts.h"

namespace Passenger {

/**
 * What PassengerFairnessKey makes of a request, as the SenderMemory counts it: one cell in each
 * row. Two keys have the same cells once in 16,384 times, and without the secret nobody can choose
 * such a key.
 */
class FairnessKey {
public:
    using Secret = std::array<unsigned char, GenerationLayout::SECRET_SIZE>;

    /** @param hash of the key and the secret */
    explicit constexpr FairnessKey(std::uint64_t hash) noexcept
        : cells_{static_cast<std::uint32_t>(hash % SenderMemoryLayout::KEY_CELLS),
                 static_cast<std::uint32_t>(hash / SenderMemoryLayout::KEY_CELLS % SenderMemoryLayout::KEY_CELLS)} {}

    /** @param row below SenderMemoryLayout::KEY_ROWS */
    std::uint32_t cell(std::uint32_t row) const noexcept { return cells_[row]; }

private:
    std::array<std::uint32_t, SenderMemoryLayout::KEY_ROWS> cells_;
};

}  // namespace Passenger
