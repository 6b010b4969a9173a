#include "exchange/ExchangeState.h"

namespace Passenger {

namespace {

constexpr unsigned bit(ExchangeState state) noexcept {
    return 1U << static_cast<unsigned>(state);
}

/** The states that may follow this one, a bit for each. */
constexpr unsigned followers(ExchangeState state) noexcept {
    using enum ExchangeState;
    constexpr unsigned GIVEN_UP = bit(ENDED) | bit(CUT_OFF);
    switch (state) {
        case UNSENT: return bit(UNSENT) | bit(QUEUED) | bit(REFUSED) | GIVEN_UP;
        case QUEUED: return bit(UNSENT) | bit(BEGUN) | bit(ANSWERED) | GIVEN_UP;
        case BEGUN: return bit(UNSENT) | bit(ANSWERED) | GIVEN_UP;
        case ANSWERED: return bit(COMPLETE) | GIVEN_UP;
        case REFUSED: return bit(UNSENT);
        case COMPLETE:
        case ENDED:
        case CUT_OFF: break;
    }
    return 0;
}

}  // namespace

bool mayFollow(ExchangeState from, ExchangeState to) noexcept {
    return (followers(from) & bit(to)) != 0;
}

}  // namespace Passenger
