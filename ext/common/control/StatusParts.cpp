#include "control/StatusParts.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "base/MarkupText.h"

namespace Passenger::StatusParts {

using StatusWords::Weight;

namespace {

constexpr double NEAR_LIMIT = 0.8;

const char *classOf(Weight weight) {
    return weight == Weight::PROBLEM ? "bad" : weight == Weight::NOTICE ? "warn" : "";
}

const char *classOf(const std::string &state) {
    return state == "failed" ? "bad" : state == "serving" ? "good" : state == "down" ? "" : "warn";
}

std::string badge(const char *kind, std::string_view text) {
    return fmt::format("<span class=\"badge {}\">{}</span>", kind, markupText(text));
}

std::string cells(const TimeQuantiles &times) {
    return fmt::format("<td>{}<td>{}<td>{}", StatusWords::duration(times.p50), StatusWords::duration(times.p90),
                       StatusWords::duration(times.p99));
}

}  // namespace

std::string tile(std::string_view name, std::string_view value, std::string_view remark, double share, Weight weight) {
    std::string html = fmt::format("<div class=tile><span>{}</span><b>{}</b><small>{}</small>", markupText(name),
                                   markupText(value), markupText(remark));
    if (share >= 0) {
        fmt::format_to(std::back_inserter(html), "<i class=\"bar {}\"><i style=\"width:{}%\"></i></i>", classOf(weight),
                       std::lround(std::min(share, 1.0) * 100));
    }
    return html + "</div>\n";
}

double shareOf(double value, double limit) {
    return limit > 0 ? value / limit : -1;
}

Weight weightOfShare(double share) {
    return share >= 1 ? Weight::PROBLEM : share >= NEAR_LIMIT ? Weight::NOTICE : Weight::NONE;
}

std::string badges(const AppStatus &app) {
    std::string html = badge(classOf(app.state), StatusWords::state(app));
    html += app.queue.limit > 0 && app.queue.waiting >= app.queue.limit ? badge("bad", "queue full") : "";
    html += app.crashLooping ? badge("bad", "crash-looping") : "";
    html += app.draining ? badge("warn", "draining") : "";
    return html;
}

bool hasTimes(const WindowStatus &window, TimeQuantiles WindowStatus::*times) {
    return window.requests > 0 || (window.*times).p99 > 0;
}

std::string quantiles(const std::vector<WindowStatus> &windows, TimeQuantiles WindowStatus::*times) {
    if (windows.empty()) {
        return "<span class=none>–</span>";
    }
    std::string html = "<table class=q><tr class=h><th><td>p50<td>p90<td>p99";
    for (const WindowStatus &window : windows) {
        html += "<tr><th>" + windowName(window.seconds);
        html += hasTimes(window, times) ? cells(window.*times) : "<td class=none>–<td class=none>–<td class=none>–";
    }
    return html + "</table>";
}

std::string windowName(std::uint64_t seconds) {
    return seconds % 3600 == 0 ? fmt::format("{} h", seconds / 3600)
           : seconds % 60 == 0 ? fmt::format("{} min", seconds / 60)
                               : fmt::format("{} s", seconds);
}

std::string time(double at) {
    const std::string text = StatusWords::moment(at);
    return fmt::format("<time datetime=\"{}T{}Z\">{}</time>", text.substr(0, 10), text.substr(11, 8), text);
}

std::string failure(const FailureStatus &failure) {
    std::string html;
    if (!failure.summary.empty()) {
        html += "<p class=summary>" + markupText(failure.summary) + "</p>";
    }
    if (!failure.remedy.empty()) {
        html += "<p class=remedy>" + markupText(failure.remedy) + "</p>";
    }
    html += "<p class=sub>";
    html += failure.report.empty() ? "" : "report <code>" + markupText(failure.report) + "</code>, ";
    return html + StatusWords::duration(failure.age) + " ago</p>";
}

}  // namespace Passenger::StatusParts
