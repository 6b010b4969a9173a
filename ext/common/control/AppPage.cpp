#include "control/AppPage.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include <fmt/format.h>

#include "base/MarkupText.h"
#include "control/StatusParts.h"
#include "control/StatusWords.h"
#include "control/TimePlot.h"

namespace Passenger::AppPage {

namespace {

using StatusWords::duration;
using StatusWords::Load;

std::string tiles(const AppStatus &app) {
    const Load load = StatusWords::loadOf(app);
    std::string html = "<section class=tiles>\n";
    html += StatusParts::tile("Instances", std::to_string(app.instances.size()),
                              app.starting > 0       ? fmt::format("{} starting", app.starting)
                              : app.maxInstances > 0 ? fmt::format("{} to {}", app.minInstances, app.maxInstances)
                                                     : fmt::format("at least {}", app.minInstances),
                              StatusParts::shareOf(static_cast<double>(app.instances.size()), app.maxInstances));
    html += StatusParts::tile("Requests/s", StatusWords::rate(StatusWords::rateOf(app)), "last minute");
    html += StatusParts::tile("In work", std::to_string(load.busy),
                              load.busy > 0 ? fmt::format("of {}, longest {}", load.slots, duration(load.oldest))
                                            : fmt::format("of {}", load.slots),
                              StatusParts::shareOf(load.busy, load.slots));
    const double queue = StatusParts::shareOf(app.queue.waiting, app.queue.limit);
    html += StatusParts::tile("Waiting", std::to_string(app.queue.waiting),
                              app.queue.waiting > 0 ? "longest " + duration(app.queue.oldest)
                              : app.queue.limit > 0 ? fmt::format("of {}", app.queue.limit)
                                                    : "",
                              queue, StatusParts::weightOfShare(queue));
    html += StatusParts::tile("Memory", StatusWords::bytes(load.memory), "of instances");
    html += StatusParts::tile("Last start", app.lastSpawnTime > 0 ? duration(app.lastSpawnTime) : "–",
                              "until it could serve");
    return html + "</section>\n";
}

std::string about(const AppStatus &app) {
    std::string html;
    const auto add = [&](const char *name, const std::string &value) {
        if (!value.empty()) {
            html += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", name, markupText(value));
        }
    };
    add("Folder", app.root);
    add("Environment", app.environment);
    add("Kind", app.type);
    add("User", app.user);
    add("Version", fmt::format("{}, by the count of restarts", app.version));
    if (app.lastRestart) {
        add("Last restart", fmt::format("{} ago: {}", duration(app.lastRestart->age), app.lastRestart->reason));
    }
    return "<dl>" + html + "<div><dt>Known since</dt><dd>" + StatusParts::time(app.since) + "</dd></div></dl>\n";
}

/** `3.2 s, 1 %`: on average since its start. */
std::string cpuText(const InstanceStatus &one) {
    return one.age > 0 ? fmt::format("{}, {:.0f} %", duration(one.cpuTime), one.cpuTime / one.age * 100)
                       : duration(one.cpuTime);
}

/** `38 MB, 29 private` */
std::string memoryText(const InstanceStatus &one) {
    if (one.memory == 0) {
        return "–";
    }
    const std::string text = StatusWords::bytes(one.memory);
    return one.privateMemory == 0 ? text : fmt::format("{}, {} private", text, StatusWords::bytes(one.privateMemory));
}

/** `1234`, and when the last one was. */
std::string processedText(const InstanceStatus &one, double now) {
    return one.lastUsed > 0 ? fmt::format("{}<td>{} ago", one.processed, duration(std::max(now - one.lastUsed, 0.0)))
                            : fmt::format("{}<td>–", one.processed);
}

std::string instanceRow(const InstanceStatus &one, std::size_t number, double now) {
    std::string html =
        one.pid > 0 ? fmt::format("<tr><th scope=row>{}", one.pid) : fmt::format("<tr><th scope=row>#{}", number);
    html += fmt::format("<td><span class=\"badge {}\">{}</span>", one.state == "serving" ? "good" : "warn",
                        markupText(one.state));
    html += fmt::format("<td>{}<td>{}{}<td>{} of {}<td>{}<td>{}<td>{}<td>{}<td>", one.version, duration(one.age),
                        one.adopted ? ", taken over" : "", one.sessions, one.concurrency,
                        one.sessions > 0 ? duration(one.busyFor) : "–", processedText(one, now), memoryText(one),
                        cpuText(one));
    return html + (one.replacementReason.empty() ? "<span class=none>–</span>" : markupText(one.replacementReason)) +
           "\n";
}

std::string instances(const AppStatus &app, double now) {
    std::string html = "<h2>Instances</h2>\n";
    if (app.instances.empty()) {
        return html + "<p class=none>None. The next request starts one, unless starts have just failed.</p>\n";
    }
    html +=
        "<div class=scroll><table class=list><thead><tr><th>Pid<th>State<th>Version<th>Up for<th>In work<th>Longest"
        "<th>Processed<th>Last used<th>Memory<th>CPU<th>Replaced because</thead>\n";
    for (std::size_t i = 0; i < app.instances.size(); i++) {
        html += instanceRow(app.instances[i], i + 1, now);
    }
    return html + "</table></div>\n";
}

std::string requests(const AppStatus &app) {
    if (app.requests.empty()) {
        return "";
    }
    std::string html =
        "<h2>Requests</h2>\n<div class=scroll><table class=list><thead><tr><th>For<th>Pid<th>Client<th>Request"
        "</thead>\n";
    for (const RequestStatus &request : app.requests) {
        html += fmt::format("<tr><td>{}<td>{}<td>{}<td><code>{} {}</code>\n", duration(request.age),
                            request.pid > 0 ? std::to_string(request.pid) : "waits", markupText(request.client),
                            markupText(request.method), markupText(request.uri));
    }
    return html + "</table></div>\n";
}

std::string windows(const AppStatus &app) {
    std::string html = "<section class=windows><div><h2>Queue time</h2>";
    html += StatusParts::quantiles(app.windows, &WindowStatus::queue);
    html += "</div><div><h2>Service time</h2>" + StatusParts::quantiles(app.windows, &WindowStatus::service);
    html += "</div><div><h2>Requests</h2><table class=q>";
    for (const WindowStatus &window : app.windows) {
        fmt::format_to(std::back_inserter(html), "<tr><th>{}<td>{}", StatusParts::windowName(window.seconds),
                       window.requests);
    }
    return html + "</table></div></section>\n";
}

std::string counters(const AppStatus &app) {
    const CountersStatus &all = app.counters;
    std::string html = "<h2>Counts since " + StatusParts::time(app.since) + "</h2>\n<dl class=counts>";
    const auto add = [&](const char *name, std::uint64_t count) {
        fmt::format_to(std::back_inserter(html), "<div{}><dt>{}</dt><dd>{}</dd></div>", count == 0 ? " class=none" : "",
                       name, count);
    };
    add("Requests", all.requests);
    add("Queue was full", all.refused);
    add("Over their share", all.overShare);
    add("Timed out", all.timedOut);
    add("Clients left", all.clientsLeft);
    add("Starts", all.spawned);
    add("Starts failed", all.spawnsFailed);
    add("Taken over", all.adopted);
    add("Crashed", all.died);
    add("Replaced", all.replaced);
    add("Made room", all.evicted);
    add("Ended idle", all.idled);
    add("Killed for memory", all.memoryKills);
    add("Processes refused", all.tasksRefused);
    add("Deploys", all.restarts);
    add("Deploys failed", all.deploysFailed);
    add("Reforks", all.reforked);
    add("Reforks failed", all.reforksFailed);
    return html + "</dl>\n";
}

std::string events(const AppStatus &app) {
    if (app.events.empty()) {
        return "";
    }
    std::string html = "<h2>Last events</h2>\n<ol class=events>\n";
    std::for_each(app.events.rbegin(), app.events.rend(), [&](const EventStatus &event) {
        html += "<li>" + StatusParts::time(event.at) + " <b>" + markupText(event.name) + "</b> <code>" +
                markupText(event.text) + "</code>\n";
    });
    return html + "</ol>\n";
}

}  // namespace

std::string render(const AppStatus &app, double now) {
    std::string html = "<p>" + StatusParts::badges(app) + "</p>\n";
    if (app.failure) {
        html += "<section class=failure><h2>Last failure</h2>" + StatusParts::failure(*app.failure) + "</section>\n";
    }
    html += tiles(app) + windows(app) + "<section class=plots>\n";
    html += TimePlot::large(app.points, TimePlot::Series::REQUESTS, now);
    html += TimePlot::large(app.points, TimePlot::Series::QUEUE_TIME, now);
    html += TimePlot::large(app.points, TimePlot::Series::SERVICE_TIME, now);
    return html + "</section>\n" + instances(app, now) + requests(app) + counters(app) + events(app) + about(app);
}

}  // namespace Passenger::AppPage
