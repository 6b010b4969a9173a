#include "pool/AbandonedRequests.h"

#include <algorithm>

#include "base/Lists.h"

namespace Passenger {

bool AbandonedRequests::note(const std::vector<ChannelId> &channels, MonotonicTime now) {
    const std::size_t before = requests_.size();
    const std::vector<ClaimCell> cells = claims_.all();
    for (std::uint32_t cell = 0; cell < cells.size(); cell++) {
        const ChannelId channel(cells[cell].channel);
        if (channel.value() != 0 && std::find(channels.begin(), channels.end(), channel) != channels.end()) {
            requests_.push_back({cell, channel, Ticket(cells[cell].ticket), now});
        }
    }
    return requests_.size() > before;
}

bool AbandonedRequests::forgetEnded() {
    return std::erase_if(requests_, [this](const Request &request) { return !isAtWork(request); }) > 0;
}

bool AbandonedRequests::isAtWork(const Request &request) const {
    const std::optional<ClaimCell> claim = claims_.read(request.cell);
    return claim && claim->channel == request.channel.value() && claim->ticket == request.ticket.value();
}

std::vector<AbandonedRequests::Request> AbandonedRequests::all() const {
    return those(requests_, [this](const Request &request) { return isAtWork(request); });
}

unsigned AbandonedRequests::count() const {
    return static_cast<unsigned>(all().size());
}

unsigned AbandonedRequests::count(const CellRange &cells) const {
    return static_cast<unsigned>(std::count_if(requests_.begin(), requests_.end(), [&](const Request &request) {
        return cells.contains(request.cell) && isAtWork(request);
    }));
}

std::optional<MonotonicTime> AbandonedRequests::oldest(const CellRange &cells) const {
    std::optional<MonotonicTime> oldest;
    for (const Request &request : requests_) {
        if (cells.contains(request.cell) && isAtWork(request)) {
            oldest = earlier(oldest, request.since);
        }
    }
    return oldest;
}

}  // namespace Passenger
