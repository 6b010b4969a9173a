#include "pool/RepeatedDeaths.h"

#include <cstddef>

namespace Passenger {

namespace {

/** Requests whose clients have left stay until the next answer. */
constexpr std::size_t MOST = 4096;

}  // namespace

bool RepeatedDeaths::note(const std::vector<std::pair<ChannelId, Ticket>> &claimed, MonotonicTime now,
                          MonotonicTime lastAnswer) {
    std::erase_if(lost_, [&](const auto &request) { return request.second.when < lastAnswer; });
    bool repeated = false;
    for (const auto &[channel, ticket] : claimed) {
        const auto before = lost_.find(channel);
        if (before != lost_.end() && before->second.ticket < ticket) {
            // It is not sent a third time.
            lost_.erase(before);
            repeated = true;
        } else if (lost_.size() < MOST) {
            lost_.insert_or_assign(channel, Lost{ticket, now});
        }
    }
    return repeated;
}

}  // namespace Passenger
