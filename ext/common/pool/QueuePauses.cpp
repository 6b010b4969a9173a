#include "pool/QueuePauses.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <system_error>

#include "base/Lists.h"
#include "base/Split.h"

namespace Passenger {

/** Each line: nanoseconds of the monotonic clock, a blank, the application's name. Others are
 *  ignored. */
void QueuePauses::restore(const std::string &note, MonotonicTime now) {
    for (const std::string &line : split(note, '\n')) {
        std::int64_t time = 0;
        const char *end = line.data() + line.size();
        const auto [rest, error] = std::from_chars(line.data(), end, time);
        if (error == std::errc() && rest != end && *rest == ' ') {
            pauses_[std::string(rest + 1, end)] =
                std::min(MonotonicTime(std::chrono::nanoseconds(time)), now + LONGEST);
        }
    }
}

std::optional<MonotonicTime> QueuePauses::until(const std::string &app) const {
    const auto found = pauses_.find(app);
    return found == pauses_.end() ? std::nullopt : std::optional(found->second);
}

void QueuePauses::begin(const std::string &app, MonotonicTime until) {
    DescriptorStore::demandRoom(note(), app);
    pauses_[app] = until;
    keep();
}

void QueuePauses::end(const std::string &app) {
    if (pauses_.erase(app) > 0) {
        keep();
    }
}

std::string QueuePauses::note() const {
    return sumOf(std::string(), pauses_,
                 [](const auto &pause) { return fmt::format("{} {}\n", toNanoseconds(pause.second), pause.first); });
}

void QueuePauses::keep() const {
    store_.put(KEY, note(), {});
}

}  // namespace Passenger
