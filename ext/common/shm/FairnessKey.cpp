#include "shm/FairnessKey.h"

namespace Passenger {

FairnessKey::FairnessKey(std::string_view text, const Secret &secret) noexcept {
    std::uint64_t hash = SipHash::of(text, secret);
    for (std::uint32_t &cell : cells_) {
        cell = static_cast<std::uint32_t>(hash % SenderMemoryLayout::KEY_CELLS);
        hash /= SenderMemoryLayout::KEY_CELLS;
    }
}

}  // namespace Passenger
