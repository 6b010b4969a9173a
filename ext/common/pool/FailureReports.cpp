#include "pool/FailureReports.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <random>
#include <string_view>
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

/** The log may be another file later. */
constexpr std::chrono::hours SAME_TROUBLE{1};

std::string makeReportId() {
    std::random_device random;
    return fmt::format("{:08x}", random());
}

/** Appends the beginning of the text. Process ids, times and addresses differ in each attempt, so
 *  hexadecimal numbers are left out. The application decides how long the text is. */
void appendWithoutNumbers(std::string &to, std::string_view text) {
    constexpr std::size_t LONGEST = 4096;
    constexpr std::string_view HEXADECIMAL = "0123456789abcdef";
    text = text.substr(0, LONGEST);
    while (!text.empty()) {
        const std::size_t word = std::min(text.find_first_of(HEXADECIMAL), text.size());
        const std::size_t end = std::min(text.find_first_not_of(HEXADECIMAL, word), text.size());
        to += text.substr(0, word);
        const std::string_view number = text.substr(word, end - word);
        if (number.find_first_of("0123456789") == std::string_view::npos) {
            to += number;
        }
        text.remove_prefix(end);
    }
}

std::string natureOf(const char *event, const Report &report) {
    std::string nature = event;
    for (const std::string &part : {report.summary, report.textOf("Exception")}) {
        nature += '\n';
        appendWithoutNumbers(nature, part);
    }
    return nature;
}

}  // namespace

GetFailure FailureReports::describe(const std::exception &error) {
    GetFailure failure{GetFailure::Reason::SPAWN_FAILED, error.what()};
    if (const auto *const spawn = dynamic_cast<const SpawnException *>(&error)) {
        failure.report = spawn->details() ? spawn->details() : reportOf(*spawn);
    }
    return failure;
}

GetFailure FailureReports::describe(const Process &last) const {
    const std::string summary =
        fmt::format("instances of {} end soon after their start, the last one was process {}", app_, last.pid());
    Report report;
    report.summary = summary;
    if (last.parts().output) {
        report.add("Its last output", Report::Form::LINES,
                   last.secrets().hide(last.parts().output->lastLines(), Report::Keep::END), Report::Keep::END);
    }
    return GetFailure{GetFailure::Reason::SPAWN_FAILED, summary, std::make_shared<const Report>(std::move(report))};
}

void FailureReports::report(const char *event, GetFailure &failure, MonotonicTime now) {
    auto report = std::make_shared<Report>(failure.report ? *failure.report : Report());
    report->app = app_;
    report->summary = failure.summary;
    std::string nature = natureOf(event, *report);
    const bool repeated = last_ && nature == nature_ && now - last_->when < SAME_TROUBLE;
    report->id = repeated ? last_->reportId : makeReportId();
    nature_ = nature;
    failure.report = report;
    reports_.add(report);
    last_ = {report->id, repeated ? last_->repeats + 1 : 0, failure.summary, report->textOf("Remedy"), now};
    const std::string repeats = repeated ? fmt::format(" repeated={}", last_->repeats) : "";
    Log::error("event={} app=\"{}\" report={}{} error=\"{}\"", event, app_, report->id, repeats, failure.summary);
    if (repeated) {
        return;
    }
    for (const std::string &line : split(report->text(), '\n')) {
        Log::error("report={} {}", report->id, line);
    }
}

std::optional<FailureStatus> FailureReports::last(MonotonicTime now) const {
    return last_ ? std::optional(
                       FailureStatus{last_->reportId, last_->summary, last_->remedy, inSeconds(now - last_->when)})
                 : std::nullopt;
}

}  // namespace Passenger
