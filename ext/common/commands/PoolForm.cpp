#include "commands/PoolForm.h"

#include <fmt/format.h>

#include <cstddef>

#include "base/Lists.h"
#include "commands/Terminal.h"
#include "control/InstanceFigures.h"
#include "control/StatusWords.h"
#include "control/Uptime.h"

namespace Passenger {

namespace {

/** Scripts look for `Last used: 4s ago`. */
std::string useText(const InstanceStatus &instance, double now) {
    const std::string text = fmt::format("Last used: {} ago", uptimeText(idleFor(instance, now)));
    return instance.sessions > 0 ? text + ", in work for " + StatusWords::duration(instance.busyFor) : text;
}

std::string instanceText(const InstanceStatus &instance, double now, const FormOptions &options) {
    // Only digits: scripts find them by patterns such as `Processed: (\d+)` and `Memory *: (\d+)M`.
    std::string text = fmt::format("  * PID: {:<5}   Sessions: {:<2}      Processed: {:<5}   Uptime: {}\n",
                                   instance.pid, instance.sessions, instance.processed, uptimeText(instance.age));
    text += fmt::format("    CPU: {:<5}   Memory  : {:<5}   {}\n", fmt::format("{}%", cpuPercent(instance)),
                        fmt::format("{}M", instance.memory >> 20U), useText(instance, now));
    if (instance.applicationPid > 0) {
        text += fmt::format("    Application: process {}\n", instance.applicationPid);
    }
    if (instance.state == "draining" || instance.state == "dead") {
        text += "    Shutting down...\n";
    } else if (instance.state == "standby") {
        text += "    Waiting for the restart...\n";
    }
    if (!instance.replacementReason.empty()) {
        text += fmt::format("    Being replaced: {}\n", singleLine(instance.replacementReason));
    }
    if (options.verbose) {
        text += fmt::format("    Version: {}   Requests at once: {}{}\n", instance.version, instance.concurrency,
                            instance.adopted ? "   Taken over from an earlier agent" : "");
    }
    return text;
}

std::string failureText(const FailureStatus &failure) {
    std::string text =
        fmt::format("  Last failed start: {} ago: {}\n", uptimeText(failure.age), singleLine(failure.summary));
    if (!failure.remedy.empty()) {
        text += fmt::format("    {}\n", singleLine(failure.remedy));
    }
    if (!failure.report.empty()) {
        text += fmt::format("    Report: passenger-config report {}\n", singleLine(failure.report));
    }
    return text;
}

std::string verboseText(const AppStatus &app) {
    std::string text = fmt::format("  State: {}   User: {}   Version: {}   Instances: {} to {}\n", app.state,
                                   singleLine(app.user), app.version, app.minInstances,
                                   app.maxInstances == 0 ? "the pool's limit" : std::to_string(app.maxInstances));
    if (app.lastRestart) {
        text += fmt::format("  Last restart: {} ago: {}\n", uptimeText(app.lastRestart->age),
                            singleLine(app.lastRestart->reason));
    }
    return sumOf(text, app.windows, [](const WindowStatus &window) {
        return fmt::format("  Last {}: {} requests, queue p50 {} p99 {}, service p50 {} p99 {}\n",
                           StatusWords::duration(static_cast<double>(window.seconds)), window.requests,
                           StatusWords::duration(window.queue.p50), StatusWords::duration(window.queue.p99),
                           StatusWords::duration(window.service.p50), StatusWords::duration(window.service.p99));
    });
}

std::string appText(const AppStatus &app, double now, const FormOptions &options) {
    std::string text = fmt::format("{}:\n  App root: {}\n", singleLine(app.name), singleLine(app.root));
    const bool paused = app.queue.pausedFor > 0;
    const char *old = paused ? "" : "; the old one serves";
    if (app.state == "deploying") {
        text += "  (restarting...)\n";
    } else if (app.state == "deploy-waits") {
        text += fmt::format("  (the new version waits for its turn{})\n", old);
    }
    if (app.starting > 0) {
        text += fmt::format("  (spawning {} new {}...)\n", app.starting, app.starting == 1 ? "process" : "processes");
    }
    if (app.state == "failed") {
        text += "  (failed to start)\n";
    } else if (app.state == "deploy-failed") {
        text += fmt::format("  (the new version failed to start{})\n", old);
    }
    if (app.crashLooping) {
        text += "  (starts fail one after the other)\n";
    }
    if (app.draining) {
        text += "  (draining)\n";
    }
    if (paused) {
        text += "  (paused)\n";
    }
    text += fmt::format("  Requests in queue: {}\n", app.queue.waiting);
    if (options.verbose) {
        text += verboseText(app);
    }
    if (app.failure && (options.verbose || app.state == "failed" || app.state == "deploy-failed")) {
        text += failureText(*app.failure);
    }
    return sumOf(text, app.instances, [&](const auto &instance) { return instanceText(instance, now, options); }) +
           "\n";
}

}  // namespace

std::string poolForm(const ServerStatus &status, const FormOptions &options) {
    std::string text = header("----------- General information -----------", options.colours) + "\n";
    text += fmt::format("Max pool size : {}\n", status.maxPoolSize);
    text += fmt::format("App groups    : {}\n", status.apps.size());
    text += fmt::format("Processes     : {}\n",
                        sumOf(std::size_t{0}, status.apps, [](const auto &app) { return app.instances.size(); }));
    text += fmt::format("Requests in top-level queue : {}\n", status.waitingForRoom);
    if (status.draining) {
        text += "(draining: balancers are told to send requests elsewhere)\n";
    }
    text += "\n" + header("----------- Application groups -----------", options.colours) + "\n";
    return sumOf(text, status.apps, [&](const AppStatus &app) { return appText(app, status.now, options); });
}

}  // namespace Passenger
