#include "pool/RepeatedDeaths.h"

#include <algorithm>
#include <cstddef>

namespace Passenger {

namespace {

/** Requests whose clients have left stay until the next answer. */
constexpr std::size_t MOST = 4096;

}  // namespace

bool RepeatedDeaths::note(const std::vector<std::pair<ChannelId, Ticket>> &claimed, MonotonicTime now,
                          MonotonicTime lastAnswer) {
    std::erase_if(lost_, [&](const Lost &request) { return request.when < lastAnswer; });
    bool repeated = false;
    for (const auto &[channel, ticket] : claimed) {
        const auto before =
            std::find_if(lost_.begin(), lost_.end(), [&, channel = channel, ticket = ticket](const Lost &request) {
                return request.channel == channel && request.ticket < ticket;
            });
        if (before != lost_.end()) {
            // It is not sent a third time.
            lost_.erase(before);
            repeated = true;
        } else {
            lost_.push_back({channel, ticket, now});
        }
    }
    while (lost_.size() > MOST) {
        lost_.pop_front();
    }
    return repeated;
}

}  // namespace Passenger
