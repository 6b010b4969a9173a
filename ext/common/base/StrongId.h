#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace Passenger {

/**
 * A number that the compiler does not accept where another kind of number is needed. `Tag` only
 * names the kind.
 */
template <typename Tag, typename Value = std::uint64_t> class StrongId {
public:
    constexpr StrongId() noexcept = default;
    constexpr explicit StrongId(Value value) noexcept : value_(value) {}
    constexpr Value value() const noexcept { return value_; }
    /** In all ids of this project zero means "none". */
    constexpr explicit operator bool() const noexcept { return value_ != 0; }
    // clang-tidy 14 takes the zero of a comparison for a null pointer.
    // NOLINTNEXTLINE(modernize-use-nullptr)
    friend constexpr auto operator<=>(StrongId, StrongId) noexcept = default;

private:
    Value value_ = 0;
};

/** The id of a reply channel; never reused. The low 16 bits are the slot of its withdrawal mark. */
using ChannelId = StrongId<struct ChannelIdTag>;
/** The id of an exchange within its channel; grows. */
using Ticket = StrongId<struct TicketTag>;
/** The id of a Group's queue; grows over all Groups. */
using Generation = StrongId<struct GenerationTag>;

}  // namespace Passenger

template <typename Tag, typename Value> struct std::hash<Passenger::StrongId<Tag, Value>> {
    std::size_t operator()(Passenger::StrongId<Tag, Value> id) const noexcept { return std::hash<Value>()(id.value()); }
};
