#include "control/AppStatus.h"

#include <algorithm>

namespace Passenger {

std::vector<double> histogramBounds() {
    std::vector<double> bounds;
    // Bucket 0 has the times below 1 µs.
    for (std::size_t bucket = 0; bucket + 1 < LogHistogram::BUCKETS; bucket++) {
        bounds.push_back(static_cast<double>(std::uint64_t{1} << bucket) / 1e6);
    }
    return bounds;
}

/** Without the empty buckets at the end: a reader of a thousand applications need not read them. */
HistogramStatus histogramOf(const LogHistogram &times, std::uint64_t microseconds) {
    const auto last =
        std::find_if(times.counts.rbegin(), times.counts.rend(), [](std::uint64_t count) { return count > 0; });
    return {{times.counts.begin(), last.base()}, static_cast<double>(microseconds) / 1e6};
}

}  // namespace Passenger
