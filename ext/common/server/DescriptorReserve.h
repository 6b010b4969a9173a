#pragma once

#include <cstddef>
#include <functional>

#include "base/Clock.h"

namespace Passenger {

/**
 * The descriptors of the pool process that no further reply channel of a known child takes. They
 * serve new children and instances, so a shortage of descriptors ends by itself. The same number of
 * descriptors before them serves applications with few reply channels. So one application's load
 * does not refuse requests of others.
 *
 * The kernel gives the lowest free number. So a descriptor whose number is in the reserve says that
 * all others are in use, and nothing is counted.
 *
 * Owned by PoolServer. Used on the event loop only.
 */
class DescriptorReserve {
public:
    /** @param limit of descriptors of this process
     *  @param askForIdleChannels asks all children to close the channels that they do not use */
    DescriptorReserve(std::size_t limit, std::function<void()> askForIdleChannels);

    /** Whether a new descriptor has come from the reserve. */
    bool has(int descriptor) const noexcept { return static_cast<std::size_t>(descriptor) >= first_; }
    /** Whether a new descriptor is one for applications with few reply channels. */
    bool isForFew(int descriptor) const noexcept {
        return static_cast<std::size_t>(descriptor) >= first_ - size_ && !has(descriptor);
    }
    /** Whether an application with so many reply channels has few. */
    bool isFew(std::size_t channels) const noexcept { return channels < size_ / FEW_PART; }
    /** At most so often. */
    void askForIdleChannels(MonotonicTime now);
    /** Descriptors are short: logs the limit, and asks for idle channels. Both at most so often. */
    void fallShort(MonotonicTime now, const char *consequence);

private:
    /** Several such applications may have few channels. */
    static constexpr std::size_t FEW_PART = 4;

    std::size_t size_;
    std::size_t first_;
    std::function<void()> askForIdleChannels_;
    MonotonicTime askedAt_{};
    MonotonicTime loggedAt_{};
};

}  // namespace Passenger
