#include "control/StatusWords.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>

#include <fmt/format.h>

namespace Passenger::StatusWords {

namespace {

/** At least two digits, and no fraction from 10 on. */
std::string rounded(double value) {
    const double tenths = std::round(value * 10) / 10;
    return tenths >= 10 ? fmt::format("{:.0f}", value) : fmt::format("{:g}", tenths);
}

/** `2 h 5 min`, without the second part if it is 0. */
std::string twoParts(std::uint64_t whole, std::uint64_t parts, const char *unit, const char *smaller) {
    const std::uint64_t rest = whole % parts;
    return rest == 0 ? fmt::format("{} {}", whole / parts, unit)
                     : fmt::format("{} {} {} {}", whole / parts, unit, rest, smaller);
}

}  // namespace

std::string duration(double seconds) {
    if (seconds <= 0) {
        return "0 s";
    }
    if (seconds < 0.000'999'5) {
        return rounded(seconds * 1e6) + " µs";
    }
    if (seconds < 0.999'5) {
        return rounded(seconds * 1e3) + " ms";
    }
    if (seconds < 99.5) {
        return rounded(seconds) + " s";
    }
    const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
    if (whole < 3600) {
        return whole < 600 ? twoParts(whole, 60, "min", "s") : fmt::format("{} min", whole / 60);
    }
    return whole < 86'400 ? twoParts(whole / 60, 60, "h", "min") : twoParts(whole / 3600, 24, "d", "h");
}

std::string bytes(std::uint64_t count) {
    static constexpr std::array<const char *, 5> UNITS{"B", "KB", "MB", "GB", "TB"};
    auto value = static_cast<double>(count);
    std::size_t unit = 0;
    while (value >= 999.5 && unit + 1 < UNITS.size()) {
        value /= 1024;
        unit++;
    }
    return rounded(value) + " " + UNITS[unit];
}

std::string rate(double perSecond) {
    return perSecond > 0 && perSecond < 0.95 ? fmt::format("{:.2g}", perSecond) : rounded(perSecond);
}

std::string counted(std::uint64_t count, const char *one, const char *many) {
    return many != nullptr || count == 1 ? fmt::format("{} {}", count, count == 1 ? one : many)
                                         : fmt::format("{} {}s", count, one);
}

std::string moment(double at) {
    const auto seconds = static_cast<std::time_t>(at);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                       parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string urlEncoded(std::string_view text) {
    std::string result;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           std::string_view("-._~/").find(c) != std::string_view::npos;
        result += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return result;
}

std::string state(const AppStatus &app) {
    if (app.state == "starting") {
        return "booting";
    }
    if (app.state == "serving") {
        return "up";
    }
    std::string old = app.queue.pausedFor > 0 ? "paused for " + duration(app.queue.pausedFor) : "up";
    if (app.state == "paused") {
        return old;
    }
    if (app.state == "deploying") {
        return "rolling to a new version";
    }
    if (app.state == "deploy-waits") {
        return old + ", the new version waits for its turn";
    }
    if (app.state == "deploy-failed") {
        return old + ", the new version failed";
    }
    return app.state == "shut-down" ? "shut down" : app.state;
}

Weight weightOf(const AppStatus &app) {
    if (app.state == "failed" || app.crashLooping || (app.queue.limit > 0 && app.queue.waiting >= app.queue.limit)) {
        return Weight::PROBLEM;
    }
    const bool changes = app.deploys() || app.state == "paused" || app.state == "starting" ||
                         app.state == "deploy-failed" || app.state == "shut-down";
    return changes || app.draining ? Weight::NOTICE : Weight::NONE;
}

Load loadOf(const AppStatus &app) {
    Load load;
    for (const InstanceStatus &one : app.instances) {
        const bool serves = one.state == "serving";
        load.serving += serves ? 1 : 0;
        load.slots += serves ? one.concurrency : one.sessions;
        load.busy += one.sessions;
        load.oldest = std::max(load.oldest, one.busyFor);
        load.memory += one.memory;
    }
    return load;
}

double rateOf(const AppStatus &app) {
    return app.windows.empty() || app.windows[0].seconds == 0
               ? 0
               : static_cast<double>(app.windows[0].requests) / static_cast<double>(app.windows[0].seconds);
}

}  // namespace Passenger::StatusWords
