#pragma once

#include <cstdint>

#include "base/StrongId.h"

namespace Passenger {

/**
 * A sender of descriptors, such as the instances of one application (QueueCache). DescriptorCloser
 * keeps senders apart: what one sender's descriptors hold up harms no other sender. Zero: this
 * process opened the descriptor itself.
 */
using DescriptorSender = StrongId<struct DescriptorSenderTag, std::uint32_t>;

/** Nobody knows which one it is. */
inline constexpr DescriptorSender ANY_SENDER{1};

/** A sender that no earlier call has returned. Thread-safe. After 2^32 calls numbers come again,
 *  and two senders share their limits. */
DescriptorSender newDescriptorSender() noexcept;

}  // namespace Passenger
