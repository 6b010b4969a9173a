#include "pool/SlowRequests.h"

#include <algorithm>
#include <vector>

#include "log/Log.h"

namespace Passenger {

void SlowRequests::note(ChannelId channel, Ticket ticket, std::chrono::milliseconds limit, MonotonicTime now) {
    if (!lines_.allows(now)) {
        return;
    }
    const std::vector<DescribedRequest> all = queue_.described();
    const auto request = std::find_if(all.begin(), all.end(), [&](const DescribedRequest &one) {
        return one.entry.channel == channel.value() && one.entry.ticket == ticket.value();
    });
    if (request == all.end()) {
        return;
    }
    const ProcessPtr process = instances_.holder(channel, ticket);
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now - sinceOf(request->entry));
    Log::warn(
        "event=request.slow app=\"{}\" request=\"{}\" pid={} ms={} limit={}ms method=\"{}\" uri=\"{}\" client=\"{}\" "
        "reason=\"{}\"",
        app_, request->id, process ? process->pid() : 0, age.count(), limit.count(), request->method,
        std::string_view(request->uri).substr(0, request->uri.find('?')), request->client,
        process ? "the instance has not begun to answer" : "no instance has taken it");
    if (process) {
        askForBacktraces(*process, now);
    }
}

void SlowRequests::askForBacktraces(Process &process, MonotonicTime now) {
    std::erase_if(asked_, [this](const auto &entry) { return !instances_.find(entry.first); });
    const auto [entry, first] = asked_.try_emplace(process.id(), now);
    if (first || now - entry->second >= LogLimit::INTERVAL) {
        entry->second = now;
        process.backtraces().log();
    }
}

}  // namespace Passenger
