// The part of Exchange that sends the request's body.

#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "base/Exceptions.h"
#include "exchange/Exchange.h"

namespace Passenger {

namespace {

/** Of a body so much is kept without looking whether an instance has begun. */
constexpr std::size_t KEPT_WITHOUT_LOOK = 64 * 1024;

}  // namespace

std::size_t Exchange::sendBody(std::string_view block, bool last) {
    std::size_t taken = 0;
    while (!over_ && !pending_ && !sendBlock(block, last, taken)) {
        // Whoever sends BODY waits for both directions: an instance that answers first may never read the rest.
        pollfd entries[2] = {{channel_->descriptor(), POLLIN | POLLOUT, 0}, {begun_ ? -1 : agentLife_, 0, 0}};
        const int ready =
            poll(entries, 2, static_cast<int>(std::min(timeLeft(queueDeadline()), timeLeft(workDeadline())).count()));
        if (ready < 0 && errno != EINTR) {
            throw SystemException("poll() on a reply channel", errno);
        }
        if (ready > 0 && entries[1].revents != 0) {
            agentDied();
        }
        if (ready == 0 || (ready > 0 && (entries[0].revents & POLLOUT) == 0)) {
            collect(ready == 0);
        }
    }
    return taken;
}

void Exchange::breakBody() noexcept {
    if (!over_ && !body_.done()) {
        channel_->shutDownBody();
    }
}

/** As much as the channel takes. False: not all, and receive() has nothing to tell either. */
bool Exchange::sendBlock(std::string_view block, bool last, std::size_t &taken) {
    const ChannelId channel = channel_->id();
    forgetBody();
    try {
        return body_.send(*channel_, ticket_, block.substr(taken), last, taken);
    } catch (const EndOfFileException &) {
        if (!collect(false) && channel_->id() == channel) {
            Event event = finish(Event::Kind::BROKEN, false);
            event.text = "the instance closed the reply channel for the request's body alone";
            pending_ = std::move(event);
        }
        return pending_.has_value();
    }
}

/** Sends what is here to be sent. True: it waits for room. The channel's end is found by reading, behind what lies in it. */
bool Exchange::owedWaits() {
    if (!body_.owes()) {
        return false;
    }
    try {
        return !body_.sendOwed(*channel_, ticket_);
    } catch (const EndOfFileException &) {
        return false;
    }
}

/** The body's copy is needed no longer than until an instance has begun: so it is hardly more than what lies in the channel. */
void Exchange::forgetBody() noexcept {
    if (body_.kept() > KEPT_WITHOUT_LOOK) {
        if (!begun_ && link_->memory->claims.holds(channel_->id(), ticket_)) {
            noteBegun();
        }
        if (begun_ || answered_) {
            body_.forget();
        }
    }
}

}  // namespace Passenger
