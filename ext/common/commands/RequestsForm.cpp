#include "commands/RequestsForm.h"

#include <fmt/format.h>

#include <cstdint>

#include "base/Lists.h"
#include "commands/Terminal.h"
#include "control/StatusWords.h"

namespace Passenger {

namespace {

std::string orUnknown(const std::string &text) {
    return text.empty() ? "?" : singleLine(text);
}

/** @param pid of an instance; 0: the requests that wait */
std::string requestLines(const AppStatus &app, std::int64_t pid) {
    std::string text;
    for (const RequestStatus &request : app.requests) {
        if (request.pid == pid) {
            text += fmt::format("      {:>8}  {} {}  from {}{}\n", StatusWords::duration(request.age),
                                orUnknown(request.method), orUnknown(request.uri), orUnknown(request.client),
                                request.id.empty() ? "" : "  id " + singleLine(request.id));
        }
    }
    return text;
}

std::string appText(const AppStatus &app) {
    std::string text = fmt::format("{}:\n  In work: {}\n", singleLine(app.name), StatusWords::loadOf(app).busy);
    for (const InstanceStatus &instance : app.instances) {
        if (instance.sessions > 0) {
            text += fmt::format("  * PID: {:<5}   Requests: {} of {}   The oldest: {}\n", instance.pid,
                                instance.sessions, instance.concurrency, StatusWords::duration(instance.busyFor));
            text += requestLines(app, instance.pid);
        }
    }
    text += fmt::format("  Waiting: {}", app.queue.waiting);
    if (app.queue.limit > 0) {
        text += fmt::format(" of at most {}", app.queue.limit);
    }
    if (app.queue.waiting > 0) {
        text += fmt::format("   The oldest: {}", StatusWords::duration(app.queue.oldest));
    }
    return text + "\n" + requestLines(app, 0) + "\n";
}

}  // namespace

std::string requestsForm(const ServerStatus &status) {
    return status.apps.empty() ? "No application is known to the agent.\n" : sumOf(std::string(), status.apps, appText);
}

}  // namespace Passenger
