#include "pool/RepeatableRequests.h"

#include <algorithm>

namespace Passenger {

std::vector<std::pair<ChannelId, Ticket>> repeatableRequests(const ApplicationQueue &queue, const Process &process) {
    std::vector<std::pair<ChannelId, Ticket>> claimed = queue.claimed(process.socket.cells);
    std::sort(claimed.begin(), claimed.end());
    std::vector<std::pair<ChannelId, Ticket>> repeatable;
    if (claimed.empty()) {
        return repeatable;
    }
    for (const DescribedRequest &request : queue.described()) {
        const std::pair id(ChannelId(request.entry.channel), Ticket(request.entry.ticket));
        const bool repeats = request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS";
        if (repeats && std::binary_search(claimed.begin(), claimed.end(), id)) {
            repeatable.push_back(id);
        }
    }
    return repeatable;
}

}  // namespace Passenger
