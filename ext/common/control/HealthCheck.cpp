#include "control/HealthCheck.h"

#include <fmt/format.h>

#include "control/StatusWords.h"

namespace Passenger {

namespace {

std::string reasonOf(const AppStatus &app, std::chrono::seconds queueAge) {
    if (app.draining) {
        return "drains";
    }
    if (app.queue.pausedFor > 0) {
        return "is paused";
    }
    if (app.failing) {
        return "does not start";
    }
    if (app.state == "shut-down") {
        return "shuts down";
    }
    if (app.queue.waiting > 0 && app.queue.oldest >= static_cast<double>(queueAge.count())) {
        return fmt::format("has let a request wait for {}, and the limit is {} s",
                           StatusWords::duration(app.queue.oldest), queueAge.count());
    }
    return "";
}

}  // namespace

std::string reasonToSendElsewhere(const ServerStatus &status, std::chrono::seconds queueAge) {
    if (status.draining) {
        return "the server drains";
    }
    if (status.warmingUp) {
        return "the applications of PassengerPreStart are starting";
    }
    for (const AppStatus &app : status.apps) {
        if (const std::string reason = reasonOf(app, queueAge); !reason.empty()) {
            return fmt::format("the application {} {}", app.name, reason);
        }
    }
    return "";
}

}  // namespace Passenger
