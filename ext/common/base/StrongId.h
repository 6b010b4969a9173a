#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace Passenger {

/** A number that cannot be passed where another kind of number is meant. `Tag` only names it. */
template <typename Tag, typename Value = std::uint64_t> class StrongId {
public:
    constexpr StrongId() noexcept = default;
    constexpr explicit StrongId(Value value) noexcept : value_(value) {}
    constexpr Value value() const noexcept {
        return value_;
    }
    /** Zero is "none" for all ids of this project. */
    constexpr explicit operator bool() const noexcept {
        return value_ != 0;
    }
    // clang-tidy 14 takes the zero of a comparison for a null pointer. NOLINTNEXTLINE(modernize-use-nullptr)
    friend constexpr auto operator<=>(StrongId, StrongId) noexcept = default;

private:
    Value value_ = 0;
};

/** Of a reply channel; never used again. The low 16 bits are its mark's slot. */
using ChannelId = StrongId<struct ChannelIdTag>;
/** Of an exchange within its channel; grows. */
using Ticket = StrongId<struct TicketTag>;
/** Of a Group's queue; grows over all Groups. */
using Generation = StrongId<struct GenerationTag>;

}  // namespace Passenger

template <typename Tag, typename Value> struct std::hash<Passenger::StrongId<Tag, Value>> {
    std::size_t operator()(Passenger::StrongId<Tag, Value> id) const noexcept {
        return std::hash<Value>()(id.value());
    }
};
