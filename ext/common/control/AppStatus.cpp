#include "control/AppStatus.h"

#include "base/LogHistogram.h"

namespace Passenger {

std::vector<double> histogramBounds() {
    std::vector<double> bounds;
    // Bucket 0 has the times below 1 µs.
    for (std::size_t bucket = 0; bucket + 1 < LogHistogram::BUCKETS; bucket++) {
        bounds.push_back(static_cast<double>(std::uint64_t{1} << bucket) / 1e6);
    }
    return bounds;
}

}  // namespace Passenger
