#include "pool/StartFailures.h"

#include <algorithm>
#include <memory>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/Split.h"
#include "log/Log.h"
#include "spawning/Secrets.h"

namespace Passenger {

namespace {

std::shared_ptr<const Report> reportOf(const SpawnException &error) {
    Report report;
    const Secrets secrets({});
    report.summary = secrets.hide(error.what());
    report.add("Details", Report::Form::LINES, secrets.hide(error.report()));
    return std::make_shared<const Report>(std::move(report));
}

std::string makeReportId() {
    std::random_device random;
    return fmt::format("{:08x}", random());
}

}  // namespace

GetFailure StartFailures::describe(const std::exception &error) {
    GetFailure failure{GetFailure::Reason::SPAWN_FAILED, error.what()};
    if (const auto *const spawn = dynamic_cast<const SpawnException *>(&error)) {
        failure.report = spawn->details() ? spawn->details() : reportOf(*spawn);
    }
    return failure;
}

GetFailure StartFailures::describe(const Process &last) const {
    const std::string summary =
        fmt::format("instances of {} end soon after their start, the last one was process {}", app_, last.pid());
    Report report;
    report.summary = summary;
    if (last.parts().output) {
        report.add("Its last output", Report::Form::LINES, last.secrets().hide(last.parts().output->lastLines()),
                   Report::Keep::END);
    }
    return GetFailure{GetFailure::Reason::SPAWN_FAILED, summary, std::make_shared<const Report>(std::move(report))};
}

unsigned StartFailures::limit(unsigned missing, unsigned starting) const noexcept {
    return backoff_.failing() ? std::min(missing, starting == 0 ? 1U : 0U) : missing;
}

void StartFailures::succeeded() noexcept {
    backoff_.spawnSucceeded();
    failure_.reset();
}

void StartFailures::forget() noexcept {
    backoff_.reset();
    failure_.reset();
}

void StartFailures::report(const char *event, GetFailure &failure, MonotonicTime now) {
    auto report = std::make_shared<Report>(failure.report ? *failure.report : Report());
    report->id = makeReportId();
    report->app = app_;
    report->summary = failure.summary;
    failure.report = report;
    reports_.add(report);
    last_ = {report->id, failure.summary, report->textOf("Remedy"), now};
    Log::error("event={} app=\"{}\" report={} error=\"{}\"", event, app_, report->id, failure.summary);
    for (const std::string &line : split(report->text(), '\n')) {
        Log::error("report={} {}", report->id, line);
    }
}

void StartFailures::wentDown(const GetFailure &failure, Generation generation) {
    failure_ = failure;
    if (generation) {
        generation_ = generation;
    }
}

std::optional<FailureSnapshot> StartFailures::last(MonotonicTime now) const {
    return last_ ? std::optional(FailureSnapshot{last_->reportId, last_->summary, last_->remedy, now - last_->when})
                 : std::nullopt;
}

}  // namespace Passenger
