#include "commands/RequestsForm.h"

#include <fmt/format.h>

#include "commands/Terminal.h"
#include "control/StatusWords.h"

namespace Passenger {

namespace {

std::string appText(const AppStatus &app) {
    std::string text = fmt::format("{}:\n  In work: {}\n", singleLine(app.name), StatusWords::loadOf(app).busy);
    for (const InstanceStatus &instance : app.instances) {
        if (instance.sessions > 0) {
            text += fmt::format("  * PID: {:<5}   Requests: {} of {}   The oldest: {}\n", instance.pid,
                                instance.sessions, instance.concurrency, StatusWords::duration(instance.busyFor));
        }
    }
    text += fmt::format("  Waiting: {}", app.queue.waiting);
    if (app.queue.limit > 0) {
        text += fmt::format(" of at most {}", app.queue.limit);
    }
    if (app.queue.waiting > 0) {
        text += fmt::format("   The oldest: {}", StatusWords::duration(app.queue.oldest));
    }
    return text + "\n\n";
}

}  // namespace

std::string requestsForm(const ServerStatus &status) {
    std::string text;
    for (const AppStatus &app : status.apps) {
        text += appText(app);
    }
    return text.empty() ? "No application is known to the agent.\n" : text;
}

}  // namespace Passenger
