#include "control/StatusConcerns.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace Passenger {

namespace {

using StatusWords::counted;
using StatusWords::duration;
using StatusWords::Weight;

/** Seconds of waiting that people notice. */
constexpr double LONG_WAIT = 5;

/** From four fifths of the limit on. */
bool isNear(double value, double limit) {
    return limit > 0 && 5 * value >= 4 * limit;
}

std::string failureOf(const AppStatus &app) {
    if (!app.failure) {
        return "";
    }
    std::string text = app.failure->summary.empty() ? "" : ": " + app.failure->summary;
    text += app.failure->report.empty() ? "" : fmt::format(" (report {})", app.failure->report);
    return text;
}

class Collector {
public:
    void add(Weight weight, std::string text, const AppStatus *app = nullptr) {
        found_.push_back({weight, app != nullptr ? app->name : "", std::move(text) + "."});
    }

    void lookAt(const ServerStatus &status) {
        if (status.draining) {
            add(Weight::NOTICE, "Health checks send all requests elsewhere: the server drains");
        }
        if (status.warmingUp) {
            add(Weight::NOTICE,
                "Health checks send requests elsewhere until the applications of PassengerPreStart have started");
        }
        if (status.waitingForRoom > 0) {
            add(Weight::PROBLEM,
                fmt::format("The pool is full: {} of {} instances, and {} for room. PassengerMaxPoolSize is the limit",
                            status.poolSize, status.maxPoolSize,
                            counted(status.waitingForRoom, "application waits", "applications wait")));
        }
        if (isNear(static_cast<double>(status.descriptors), static_cast<double>(status.descriptorLimit))) {
            add(Weight::PROBLEM,
                fmt::format("The pool process has {} of {} descriptors: raise httpd's limit (ulimit -n, "
                            "LimitNOFILE; Debian: also APACHE_ULIMIT_MAX_FILES in /etc/apache2/envvars)",
                            status.descriptors, status.descriptorLimit));
        }
        if (status.workers) {
            lookAt(*status.workers);
        }
        if (status.spool) {
            lookAt(*status.spool);
        }
        if (status.attachesRefused > 0) {
            add(Weight::NOTICE, fmt::format("{} that httpd's configuration does not allow: the log has "
                                            "event=attach.refused",
                                            counted(status.attachesRefused, "application was asked for",
                                                    "applications were asked for")));
        }
        for (const AppStatus &app : status.apps) {
            lookAt(app);
        }
    }

    std::vector<StatusConcern> result() && {
        std::stable_sort(found_.begin(), found_.end(),
                         [](const auto &a, const auto &b) { return a.weight > b.weight; });
        return std::move(found_);
    }

private:
    void lookAt(const WorkersStatus &workers) {
        if (isNear(workers.busy, workers.limit)) {
            add(workers.busy >= workers.limit ? Weight::PROBLEM : Weight::NOTICE,
                fmt::format("httpd has {} of {} workers busy; further clients wait. MaxRequestWorkers is the limit",
                            workers.busy, workers.limit));
        }
    }

    void lookAt(const SpoolStatus &spool) {
        if (isNear(static_cast<double>(spool.bytes), static_cast<double>(spool.limit))) {
            add(Weight::PROBLEM, fmt::format("Files in PassengerDataBufferDir have {} of {}. "
                                             "PassengerMaxDataBufferSize is the limit",
                                             StatusWords::bytes(spool.bytes), StatusWords::bytes(spool.limit)));
        }
        // The reserve is a limit from below.
        if (isNear(static_cast<double>(spool.reserve), static_cast<double>(spool.available)) ||
            spool.available < spool.reserve) {
            add(Weight::PROBLEM, fmt::format("The disk of PassengerDataBufferDir has {} left, of which {} stay free "
                                             "(PassengerMinDataBufferFreeSpace): free it, or long requests are refused",
                                             StatusWords::bytes(spool.available), StatusWords::bytes(spool.reserve)));
        }
    }

    void lookAt(const AppStatus &app) {
        if (app.state == "failed") {
            add(Weight::PROBLEM, "does not start" + failureOf(app), &app);
        } else if (app.crashLooping) {
            add(Weight::PROBLEM, "starts in vain again and again" + failureOf(app), &app);
        } else if (app.state == "deploy-failed") {
            add(Weight::NOTICE,
                fmt::format("has a new version that does not start{}{}",
                            app.queue.pausedFor > 0 ? "" : "; the old one serves", failureOf(app)),
                &app);
        }
        if (isNear(app.queue.waiting, app.queue.limit)) {
            const bool full = app.queue.waiting >= app.queue.limit;
            add(full ? Weight::PROBLEM : Weight::NOTICE,
                fmt::format("has {} queue: {} of {} requests wait. PassengerMaxRequestQueueSize is the limit",
                            full ? "a full" : "a nearly full", app.queue.waiting, app.queue.limit),
                &app);
        }
        if (app.queue.waiting > 0 && app.queue.oldest >= LONG_WAIT) {
            add(Weight::PROBLEM, fmt::format("has let a request wait for {}", duration(app.queue.oldest)), &app);
        }
    }

    std::vector<StatusConcern> found_;
};

}  // namespace

std::vector<StatusConcern> concernsOf(const ServerStatus &status) {
    Collector collector;
    collector.lookAt(status);
    return std::move(collector).result();
}

}  // namespace Passenger
