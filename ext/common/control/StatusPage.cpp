#include "control/StatusPage.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

#include <fmt/format.h>

#include "base/Lists.h"
#include "base/MarkupText.h"
#include "control/AppPage.h"
#include "control/StatusConcerns.h"
#include "control/StatusPageStyle.h"
#include "control/StatusParts.h"
#include "control/StatusWords.h"
#include "control/TimePlot.h"

namespace Passenger::StatusPage {

namespace {

using StatusWords::counted;
using StatusWords::duration;
using StatusWords::Load;
using StatusWords::Weight;

/** More are not read. */
constexpr std::size_t MAX_CONCERNS = 8;

std::string linkTo(const std::string &app) {
    return fmt::format("<a href=\"?app={}\">{}</a>", StatusWords::urlEncoded(app), markupText(app));
}

std::string workersTile(const WorkersStatus &workers) {
    const double share = StatusParts::shareOf(workers.busy, workers.limit);
    return StatusParts::tile("Workers of httpd", std::to_string(workers.busy), fmt::format("busy of {}", workers.limit),
                             share, StatusParts::weightOfShare(share));
}

std::string spoolTile(const SpoolStatus &spool) {
    const double share = StatusParts::shareOf(static_cast<double>(spool.bytes), static_cast<double>(spool.limit));
    return StatusParts::tile("Spool files", StatusWords::bytes(spool.bytes),
                             spool.limit > 0 ? "of " + StatusWords::bytes(spool.limit) : "", share,
                             StatusParts::weightOfShare(share));
}

std::string tiles(const ServerStatus &status) {
    Load all;
    double rate = 0;
    std::uint64_t waiting = 0;
    double oldest = 0;
    std::uint64_t up = 0;
    for (const AppStatus &app : status.apps) {
        const Load load = StatusWords::loadOf(app);
        all.busy += load.busy;
        all.slots += load.slots;
        all.oldest = std::max(all.oldest, load.oldest);
        all.memory += load.memory;
        rate += StatusWords::rateOf(app);
        waiting += app.queue.waiting;
        oldest = std::max(oldest, app.queue.oldest);
        up += load.serving > 0 ? 1 : 0;
    }
    std::string html = "<section class=tiles>\n";
    html += StatusParts::tile("Applications", std::to_string(status.apps.size()), fmt::format("{} up", up));
    html += StatusParts::tile("Instances", std::to_string(status.poolSize), fmt::format("of {}", status.maxPoolSize),
                              StatusParts::shareOf(status.poolSize, status.maxPoolSize),
                              status.waitingForRoom > 0 ? Weight::PROBLEM : Weight::NONE);
    html += StatusParts::tile("Requests/s", StatusWords::rate(rate), "last minute");
    html += StatusParts::tile("In work", std::to_string(all.busy),
                              all.busy > 0 ? fmt::format("of {}, longest {}", all.slots, duration(all.oldest))
                                           : fmt::format("of {}", all.slots),
                              StatusParts::shareOf(all.busy, all.slots));
    html += StatusParts::tile("Waiting", std::to_string(waiting), waiting > 0 ? "longest " + duration(oldest) : "");
    html += StatusParts::tile(
        "Memory", StatusWords::bytes(status.memoryBudget > 0 ? status.memoryUsed : all.memory),
        status.memoryBudget > 0 ? "of " + StatusWords::bytes(status.memoryBudget) : "of instances",
        StatusParts::shareOf(static_cast<double>(status.memoryUsed), static_cast<double>(status.memoryBudget)));
    const double descriptors =
        StatusParts::shareOf(static_cast<double>(status.descriptors), static_cast<double>(status.descriptorLimit));
    if (descriptors >= 0) {
        html += StatusParts::tile("Descriptors", std::to_string(status.descriptors),
                                  fmt::format("of {}", status.descriptorLimit), descriptors,
                                  StatusParts::weightOfShare(descriptors));
    }
    return html + (status.workers ? workersTile(*status.workers) : "") +
           (status.spool ? spoolTile(*status.spool) : "") + "</section>\n";
}

std::string concerns(const ServerStatus &status) {
    const std::vector<StatusConcern> found = concernsOf(status);
    if (found.empty()) {
        return "";
    }
    std::string html = "<ul class=concerns>\n";
    for (std::size_t i = 0; i < std::min(found.size(), MAX_CONCERNS); i++) {
        const StatusConcern &one = found[i];
        fmt::format_to(std::back_inserter(html), "<li class={}>{} {}\n", one.weight == Weight::PROBLEM ? "bad" : "warn",
                       one.app.empty() ? "" : linkTo(one.app), markupText(one.text));
    }
    if (found.size() > MAX_CONCERNS) {
        fmt::format_to(std::back_inserter(html), "<li>and {} more, in the table below\n", found.size() - MAX_CONCERNS);
    }
    return html + "</ul>\n";
}

// ----- The table of applications

std::string nameCell(const AppStatus &app) {
    std::string html = "<th scope=row>" + linkTo(app.name) + "<div>" + StatusParts::badges(app) + "</div>";
    std::string what = app.type.empty() ? "" : markupText(app.type);
    what += app.user.empty() ? "" : (what.empty() ? "" : ", ") + markupText(app.user);
    html += what.empty() ? "" : "<p class=sub>" + what + "</p>";
    if (app.failure && (app.state == "failed" || app.state == "deploy-failed" || app.crashLooping)) {
        html += StatusParts::failure(*app.failure);
    }
    return html;
}

std::string instancesCell(const AppStatus &app) {
    const Load load = StatusWords::loadOf(app);
    std::string html = fmt::format("<td><b>{}</b>", app.instances.size());
    html += app.maxInstances > 0 ? fmt::format(" of {}", app.maxInstances) : "";
    html += app.starting > 0 ? fmt::format("<p class=sub>{} starting</p>", app.starting) : "";
    if (load.slots > 0) {
        html += fmt::format("<p class=sub>{} of {} busy</p>", load.busy, load.slots);
    }
    html += load.busy > 0 && load.oldest >= 1 ? "<p class=sub>for " + duration(load.oldest) + "</p>" : "";
    return html + (load.memory > 0 ? "<p class=sub>" + StatusWords::bytes(load.memory) + "</p>" : "");
}

std::string queueCell(const AppStatus &app) {
    if (app.queue.waiting == 0) {
        return "<td class=empty><span class=none>0</span>";
    }
    std::string html = fmt::format("<td><b>{}</b>", app.queue.waiting);
    html += app.queue.limit > 0 ? fmt::format(" of {}", app.queue.limit) : "";
    return html + "<p class=sub>longest " + duration(app.queue.oldest) + "</p>";
}

std::string timesCell(const AppStatus &app, TimeQuantiles WindowStatus::*times, TimePlot::Series series, double now) {
    const bool seen = std::any_of(app.windows.begin(), app.windows.end(),
                                  [times](const WindowStatus &window) { return StatusParts::hasTimes(window, times); });
    return seen ? "<td class=times>" + StatusParts::quantiles(app.windows, times) +
                      TimePlot::small(app.points, series, now)
                : "<td class=empty><span class=none>–</span>";
}

std::string listCell(const std::vector<std::string> &lines) {
    const std::string html = lines.empty() ? "<td class=empty><span class=none>–</span>" : "<td>";
    return sumOf(html, lines, [](const std::string &line) { return "<p>" + line + "</p>"; });
}

std::string errorsCell(const CountersStatus &counters) {
    std::vector<std::string> lines;
    const auto add = [&](std::uint64_t count, const char *what) {
        if (count > 0) {
            lines.push_back(fmt::format("<b>{}</b> {}", count, what));
        }
    };
    add(counters.refused, "queue full");
    add(counters.overShare, "over their share");
    add(counters.timedOut, "timed out");
    add(counters.clientsLeft, "clients left");
    add(counters.lost, "lost");
    add(counters.overran, "took too long");
    add(counters.notStarted, "not started");
    add(counters.died, "crashed");
    return listCell(lines);
}

std::string startsCell(const AppStatus &app) {
    std::vector<std::string> lines;
    const CountersStatus &counters = app.counters;
    if (counters.spawned > 0 || counters.spawnsFailed > 0) {
        lines.push_back(counted(counters.spawned, "start") +
                        (app.lastSpawnTime > 0 ? ", last " + duration(app.lastSpawnTime) : ""));
    }
    if (counters.spawnsFailed > 0) {
        lines.push_back(fmt::format("<b>{}</b> failed", counters.spawnsFailed));
    }
    if (counters.restarts > 0) {
        lines.push_back(counted(counters.restarts, "deploy") +
                        (app.lastRestart ? ", last " + duration(app.lastRestart->age) + " ago" : ""));
    }
    if (counters.deploysFailed > 0) {
        lines.push_back(fmt::format("<b>{}</b> failed", counters.deploysFailed));
    }
    return listCell(lines);
}

std::string row(const AppStatus &app, double now) {
    std::string html = StatusWords::weightOf(app) == Weight::PROBLEM ? "<tr class=bad>" : "<tr>";
    html += nameCell(app) + instancesCell(app) + queueCell(app);
    html += "<td><b>" + StatusWords::rate(StatusWords::rateOf(app)) + "</b>";
    if (!app.windows.empty()) {
        const WindowStatus &longest = app.windows.back();
        fmt::format_to(std::back_inserter(html), "<p class=sub>{} in {}</p>", longest.requests,
                       StatusParts::windowName(longest.seconds));
    }
    html += TimePlot::small(app.points, TimePlot::Series::REQUESTS, now);
    html += timesCell(app, &WindowStatus::queue, TimePlot::Series::QUEUE_TIME, now);
    html += timesCell(app, &WindowStatus::service, TimePlot::Series::SERVICE_TIME, now);
    return html + errorsCell(app.counters) + startsCell(app) + "\n";
}

std::string table(const ServerStatus &status) {
    if (status.apps.empty()) {
        return "<p class=none>No application was requested yet.</p>\n";
    }
    auto apps = listOf(status.apps, [](const AppStatus &app) { return &app; });
    std::stable_sort(apps.begin(), apps.end(), [](const AppStatus *a, const AppStatus *b) {
        const Weight ofA = StatusWords::weightOf(*a);
        const Weight ofB = StatusWords::weightOf(*b);
        const bool downA = a->instances.empty();
        const bool downB = b->instances.empty();
        return ofA != ofB ? ofA > ofB : downA != downB ? downB : a->name < b->name;
    });
    const char *times = "<table class=q><tr><th><td>p50<td>p90<td>p99</table>";
    const std::string head = fmt::format(
        "<table class=apps><thead><tr><th>Application<th>Instances<th>Queue<th>Requests a second"
        "<th>Queue time{}<th>Service time{}<th>Errors<th>Starts and deploys</thead>\n<tbody>\n",
        times, times);
    return sumOf(head, apps, [&](const AppStatus *app) { return row(*app, status.now); }) + "</table>\n";
}

const AppStatus *appOf(const ServerStatus &status, const View &view) {
    const auto found = std::find_if(status.apps.begin(), status.apps.end(),
                                    [&](const AppStatus &app) { return app.name == view.app; });
    return found == status.apps.end() ? nullptr : &*found;
}

std::string content(const ServerStatus &status, const View &view) {
    if (view.app.empty()) {
        return concerns(status) + tiles(status) + table(status);
    }
    const AppStatus *app = appOf(status, view);
    return app != nullptr ? AppPage::render(*app, status.now)
                          : "<p class=none>There is no application " + markupText(view.app) +
                                ". It may have been forgotten, or another name may be the right one.</p>\n";
}

std::string footer(const View &view) {
    const std::string of = view.app.empty() ? "" : "&amp;app=" + StatusWords::urlEncoded(view.app);
    std::string html = "<footer><p>Other forms: ";
    for (const char *form : {"json", "auto", "metrics", "xml"}) {
        fmt::format_to(std::back_inserter(html), "<a href=\"?{}{}\">{}</a> ", form, of, form);
    }
    html += view.details ? "</p>"
                         : "</p><p>Paths, pids, the reasons of failures and events are shown with "
                           "PassengerStatusDetails on.</p>";
    return html + "</footer>\n";
}

}  // namespace

bool has(const ServerStatus &status, const View &view) {
    return view.app.empty() || appOf(status, view) != nullptr;
}

std::string render(const ServerStatus &status, const View &view) {
    const std::string title = view.app.empty() ? "Passenger" : markupText(view.app);
    std::string page = fmt::format(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"robots\" content=\"noindex\">\n<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n"
        "<header>{}<h1>{}</h1><p class=sub>mod_passenger {}, up for {}, {}</p></header>\n",
        title, STYLE, view.app.empty() ? "" : "<a href=\"?\">All applications</a>", title, markupText(status.version),
        duration(status.now - status.since), StatusParts::time(status.now));
    page += content(status, view) + footer(view) + "</main>\n";
    if (!view.nonce.empty()) {
        fmt::format_to(std::back_inserter(page), "<script nonce=\"{}\">\n{}</script>\n", markupText(view.nonce),
                       SCRIPT);
    }
    return page + "</body>\n</html>\n";
}

}  // namespace Passenger::StatusPage
