#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace Passenger {

/** The outcome of the requests: the times of the answers, by path and status. */
class Tally {
public:
    void add(const std::string &path, int status, std::chrono::nanoseconds latency) {
        latencies_[{path, status}].push_back(std::chrono::duration<double, std::micro>(latency).count());
    }

    /** A JSON array; times are microseconds. "in_time" counts the answers within a second. */
    std::string json() {
        std::string text;
        for (auto &[key, latencies] : latencies_) {
            std::sort(latencies.begin(), latencies.end());
            text += fmt::format(R"({}{{"path":"{}","status":{},"count":{},"in_time":{},"latency":{{)",
                                text.empty() ? "" : ",", key.first, key.second, latencies.size(),
                                std::upper_bound(latencies.begin(), latencies.end(), IN_TIME) - latencies.begin());
            for (const double percentile : PERCENTILES) {
                text += fmt::format(R"("{}":{:.0f},)", percentile, at(latencies, percentile));
            }
            text += fmt::format(R"("max":{:.0f}}}}})", latencies.back());
        }
        return "[" + text + "]";
    }

private:
    /** The percentiles of wrk_report.lua. */
    static constexpr std::array PERCENTILES{50.0, 75.0, 90.0, 95.0, 99.0, 99.9};

    static constexpr double IN_TIME = 1e6;

    static double at(const std::vector<double> &sorted, double percentile) {
        const double position = percentile / 100 * static_cast<double>(sorted.size());
        return sorted[std::min(static_cast<std::size_t>(position), sorted.size() - 1)];
    }

    std::map<std::pair<std::string, int>, std::vector<double>> latencies_;
};

}  // namespace Passenger
