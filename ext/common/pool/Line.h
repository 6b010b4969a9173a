#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/StrongId.h"
#include "io/GroupMemory.h"
#include "io/RequestQueue.h"

namespace Passenger {

/** A run of cells in a Group's claims: one for each thread of an instance. */
struct CellRange {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
};

/**
 * A Group's line as the agent holds it: claims and marks, which live as long as the Group, and the queue of the current generation.
 *
 * Guarded by the pool's lock.
 */
class Line {
public:
    /** @param slot the Group's in the generation table. @throws SystemException */
    explicit Line(std::uint32_t slot) : slot_(slot), used_(ClaimsLayout::CELLS) {}

    std::uint32_t slot() const noexcept {
        return slot_;
    }
    Claims &claims() noexcept {
        return claims_;
    }
    const Claims &claims() const noexcept {
        return claims_;
    }
    Marks &marks() noexcept {
        return marks_;
    }
    const Marks &marks() const noexcept {
        return marks_;
    }

    /** Cells that no instance has; nothing when there are not so many in a row. */
    std::optional<CellRange> allocate(std::uint32_t count);
    /** Clears the cells and gives them out again. Only when what their owner's death left in them was dealt with. */
    void free(const CellRange &cells);

private:
    std::uint32_t slot_;
    Claims claims_;
    Marks marks_;
    std::vector<bool> used_;
};

/** One generation of a line: the queue that its instances take from. */
struct LineGeneration {
    Generation number;
    RequestQueue queue;
};

}  // namespace Passenger
