#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/SipHash.h"
#include "shm/Layouts.h"

namespace Passenger {

/**
 * What PassengerFairnessKey makes of a request, as the SenderMemory counts it: one cell in each
 * row. Two keys have the same cells once in 16,384 times, and without the secret nobody can choose
 * such a key.
 */
class FairnessKey {
public:
    using Secret = SipHash::Secret;

    FairnessKey(std::string_view text, const Secret &secret) noexcept;

    /** @param row below SenderMemoryLayout::KEY_ROWS */
    std::uint32_t cell(std::uint32_t row) const noexcept { return cells_[row]; }

private:
    std::array<std::uint32_t, SenderMemoryLayout::KEY_ROWS> cells_;
};

}  // namespace Passenger
