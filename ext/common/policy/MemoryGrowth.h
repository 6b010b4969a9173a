#pragma once

#include <chrono>
#include <cstdint>

namespace Passenger {

/**
 * Tells a leak from a warm-up: a process that warms up soon stops growing, one that leaks goes on.
 * From measurements of the memory that the process has allocated, shared or not. What shared memory
 * counts for changes with the number of processes that share it: when a preloader or the last other
 * instance ends, all of it becomes private at once. Pure; not thread-safe.
 */
class MemoryGrowth {
public:
    /** @param age of the process @param bytes that it has allocated */
    void note(std::chrono::nanoseconds age, std::uint64_t bytes);
    /** The growth since the first measurement, in bytes. */
    std::uint64_t grown() const noexcept;
    /** Whether at least a quarter of the growth came in the latter half of the process's life, or a
     *  bit earlier. */
    bool goesOn() const noexcept;

private:
    bool measured_ = false;
    std::uint64_t first_ = 0;
    /** At an age between a quarter and a half of the present one. */
    std::uint64_t early_ = 0;
    /** At half the present age or later. */
    std::uint64_t middle_ = 0;
    std::uint64_t last_ = 0;
    std::chrono::nanoseconds middleAge_{0};
};

}  // namespace Passenger
