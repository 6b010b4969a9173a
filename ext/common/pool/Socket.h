#pragma once

#include <cstdint>

#include "pool/ApplicationQueue.h"

namespace Passenger {

/**
 * Where a Process takes requests from. A Process has exactly one Socket, of one of two kinds: the
 * queue of its Group's generation, from which it pulls, and memory (DummySpawner), where the pool
 * hands sessions out. Guarded by the pool's lock.
 */
struct Socket {
    enum class Kind { QUEUE, MEMORY };

    Kind kind = Kind::MEMORY;
    /** Requests it can run at once. */
    unsigned concurrency = 1;
    /** MEMORY: sessions that are open. */
    unsigned sessions = 0;
    /** QUEUE: whose claims are its. */
    CellRange cells;

    bool full() const noexcept {
        return sessions >= concurrency;
    }
};

}  // namespace Passenger
