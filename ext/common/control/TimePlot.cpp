#include "control/TimePlot.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>

#include <fmt/format.h>

#include "control/StatusWords.h"

namespace Passenger::TimePlot {

namespace {

constexpr double DAY = 24 * 3600;
constexpr int SMALL_COLUMNS = 48;
constexpr int LARGE_COLUMNS = 288;
constexpr int HEIGHT = 100;

/** The highest values of the points in a part of the day. */
struct Column {
    bool seen = false;
    double area = 0;
    double line = 0;
};

struct Columns {
    std::vector<Column> all;
    double highest = 0;
};

Column columnOf(const PointStatus &point, Series series) {
    switch (series) {
        case Series::REQUESTS:
            return {true, point.seconds > 0 ? static_cast<double>(point.requests) / point.seconds : 0, 0};
        case Series::QUEUE_TIME: return {true, point.queue.p99, point.queue.p50};
        case Series::SERVICE_TIME: break;
    }
    return {true, point.service.p99, point.service.p50};
}

Columns columnsOf(const std::vector<PointStatus> &points, Series series, double now, int count) {
    Columns columns{std::vector<Column>(static_cast<std::size_t>(count)), 0};
    const auto indexOf = [&](double at) {
        return std::clamp((at - (now - DAY)) / DAY * count, 0.0, static_cast<double>(count));
    };
    for (const PointStatus &point : points) {
        const Column added = columnOf(point, series);
        const bool any = point.requests > 0 || added.area > 0;
        if (!any || point.at <= now - DAY || point.at - point.seconds >= now) {
            continue;
        }
        const auto first =
            std::min(static_cast<std::size_t>(indexOf(point.at - point.seconds)), columns.all.size() - 1);
        const auto end = std::max(static_cast<std::size_t>(std::ceil(indexOf(point.at) - 0.01)), first + 1);
        for (std::size_t i = first; i < std::min(end, columns.all.size()); i++) {
            Column &column = columns.all[i];
            column = {true, std::max(column.area, added.area), std::max(column.line, added.line)};
        }
        columns.highest = std::max(columns.highest, added.area);
    }
    return columns;
}

/** 1, 2 or 5 times a power of ten, not below `value`. */
double niceAbove(double value) {
    const double power = std::pow(10, std::floor(std::log10(value)));
    for (const double factor : {1.0, 2.0, 5.0}) {
        if (value <= factor * power * 1.000'001) {
            return factor * power;
        }
    }
    return 10 * power;
}

/** Steps: one for each column, and a gap where nothing was seen. Coordinates are columns, and
 *  hundredths of the height from the top. */
std::string pathOf(const Columns &columns, double scale, double Column::*value, bool closed) {
    std::string path;
    auto out = std::back_inserter(path);
    const auto heightOf = [&](const Column &column) {
        return HEIGHT - static_cast<int>(std::lround(std::clamp(column.*value / scale, 0.0, 1.0) * HEIGHT));
    };
    const std::size_t count = columns.all.size();
    for (std::size_t i = 0; i < count;) {
        if (!columns.all[i].seen) {
            i++;
            continue;
        }
        int height = heightOf(columns.all[i]);
        fmt::format_to(out, "M{} {}V{}", i, closed ? HEIGHT : height, height);
        while (true) {
            std::size_t end = i + 1;
            while (end < count && columns.all[end].seen && heightOf(columns.all[end]) == height) {
                end++;
            }
            fmt::format_to(out, "H{}", end);
            i = end;
            if (end == count || !columns.all[end].seen) {
                break;
            }
            height = heightOf(columns.all[end]);
            fmt::format_to(out, "V{}", height);
        }
        path += closed ? "V100Z" : "";
    }
    return path;
}

/** The SVG element, without its end. */
std::string svg(const Columns &columns, Series series, double scale, const char *attributes) {
    // The width and height come from the style sheet.
    std::string html =
        fmt::format("<svg {} viewBox=\"0 0 {} {}\" preserveAspectRatio=none>", attributes, columns.all.size(), HEIGHT);
    fmt::format_to(std::back_inserter(html), "<path class=a d=\"{}\"/>", pathOf(columns, scale, &Column::area, true));
    if (series != Series::REQUESTS) {
        fmt::format_to(std::back_inserter(html), "<path class=l d=\"{}\"/>",
                       pathOf(columns, scale, &Column::line, false));
    }
    return html + "</svg>";
}

std::string valueText(Series series, double value) {
    return series == Series::REQUESTS ? StatusWords::rate(value) + "/s" : StatusWords::duration(value);
}

const char *titleOf(Series series) {
    switch (series) {
        case Series::REQUESTS: return "Requests a second";
        case Series::QUEUE_TIME: return "Queue time";
        case Series::SERVICE_TIME: break;
    }
    return "Service time";
}

}  // namespace

std::string small(const std::vector<PointStatus> &points, Series series, double now) {
    const Columns columns = columnsOf(points, series, now, SMALL_COLUMNS);
    if (columns.highest <= 0) {
        return "";
    }
    return svg(
        columns, series, columns.highest,
        fmt::format("class=s role=img aria-label=\"last 24 hours, at most {}\"", valueText(series, columns.highest))
            .c_str());
}

std::string large(const std::vector<PointStatus> &points, Series series, double now) {
    const Columns columns = columnsOf(points, series, now, LARGE_COLUMNS);
    const char *title = titleOf(series);
    std::string html =
        fmt::format("<figure><figcaption>{}{}</figcaption>", title,
                    series == Series::REQUESTS ? "" : " <small><i class=l></i>p50 <i class=a></i>p99</small>");
    if (columns.highest <= 0) {
        return html + "<p class=none>No request was answered in the last 24 hours.</p></figure>\n";
    }
    const double scale = niceAbove(columns.highest);
    fmt::format_to(std::back_inserter(html),
                   "<div class=plot><span>{}</span><span>{}</span><span>0</span>{}</div>"
                   "<div class=hours><span>24 h ago</span><span>18 h</span><span>12 h</span><span>6 h</span>"
                   "<span>now</span></div></figure>\n",
                   valueText(series, scale), valueText(series, scale / 2),
                   svg(columns, series, scale, fmt::format("role=img aria-label=\"{}\"", title).c_str()));
    return html;
}

}  // namespace Passenger::TimePlot
