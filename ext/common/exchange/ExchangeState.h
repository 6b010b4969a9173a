#pragma once

#include <cstdint>

namespace Passenger {

/** The states of an exchange. doc/PROTOCOLS.md, section 2.1, shows how they follow each other. */
enum class ExchangeState : std::uint8_t {
    /** The request is in no queue: it was never sent, or it is about to be sent again. */
    UNSENT,
    /** The request was sent, and no instance's claim of it was seen. */
    QUEUED,
    /** An instance's claim was seen. */
    BEGUN,
    /** A part of the answer was received. The request is never sent again. */
    ANSWERED,
    /** The last message of the answer was received, and the whole body was sent. */
    COMPLETE,
    /** The queue had no room for the request. The request may be sent once more. */
    REFUSED,
    /** The exchange ended without a whole answer. No message of it can arrive any more. */
    ENDED,
    /** The exchange is over, but an instance may still use the channel. */
    CUT_OFF
};

/** Whether an exchange may go from one state to the other. */
bool mayFollow(ExchangeState from, ExchangeState to) noexcept;

/** Whether nothing more happens in this state. */
inline bool isOver(ExchangeState state) noexcept {
    return state >= ExchangeState::COMPLETE;
}

}  // namespace Passenger
