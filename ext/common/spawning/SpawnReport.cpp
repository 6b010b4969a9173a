#include "spawning/SpawnReport.h"

#include <sys/wait.h>

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/ChildProcess.h"
#include "base/Lists.h"
#include "spawning/Diagnosis.h"
#include "spawning/DiagnosisRule.h"
#include "spawning/PrintedError.h"
#include "spawning/Secrets.h"

namespace Passenger {

namespace {

/** An application's message can have any length, and so can the name of its exception. */
constexpr std::size_t MAX_MESSAGE = 1024;
constexpr std::size_t MAX_CLASS = 200;
/** The summary is a line of the log, and the agent's answer to requests. */
constexpr std::size_t MAX_SUMMARY = 4096;

const char *nameOf(SpawnSteps::State state) {
    switch (state) {
        case SpawnSteps::State::BEGUN: return "under way";
        case SpawnSteps::State::DONE: return "done";
        case SpawnSteps::State::FAILED: return "failed";
    }
    return "";
}

std::string firstLine(const std::string &text) {
    return text.substr(0, std::min(text.find('\n'), MAX_MESSAGE));
}

/** The backtrace, after the exception. Ruby's form begins with it, and Python's ends with it. */
std::string exceptionText(const SpawnReport &report) {
    if (report.exceptionClass.empty() || report.backtrace.starts_with(report.exceptionClass) ||
        report.backtrace.ends_with('\n')) {
        return report.backtrace;
    }
    return report.exceptionClass + ": " + report.exceptionMessage + "\n" + report.backtrace;
}

Language languageOf(const Options &options) {
    return !options.startCommand.empty() ? Language::OTHER
           : options.appType == "node"   ? Language::NODE
           : options.runsPython()        ? Language::PYTHON
                                         : Language::RUBY;
}

/** What a process printed before its end. It may print errors long before a signal ends it, but for
 *  a heap that is exhausted. Of a server whose workers end one after the other, the exception that
 *  the last one printed. */
std::optional<PrintedError> printedError(const SpawnReport &report, const FailureFacts &facts) {
    const bool workersEnd = acceptedNone(facts);
    if (!report.exceptionClass.empty() || (!facts.waitStatus && !workersEnd)) {
        return std::nullopt;
    }
    auto error = PrintedError::in(report.output);
    const bool counts = error && (error->isOfHeap() || (workersEnd && !error->exceptionClass.empty()) ||
                                  (facts.waitStatus && WIFEXITED(*facts.waitStatus) &&
                                   (report.commandStatus || !error->exceptionClass.empty())));
    return counts ? error : std::nullopt;
}

std::vector<Report::Row> stepRows(const SpawnSteps &steps) {
    return listOf(steps.steps(), [](const auto &step) {
        return Report::Row{step.name, nameOf(step.state), fmt::format("{} ms", step.duration.count())};
    });
}

std::vector<Report::Row> settingRows(const SpawnReport &report, const Options &options, const Secrets &secrets) {
    std::vector<Report::Row> rows{
        {"folder", options.appRoot}, {"startup file", options.startupFile}, {"environment", options.environment}};
    if (options.startsByBridge()) {
        rows.push_back({"type", options.startCommand.empty() ? options.appType : "HTTP"});
        rows.push_back({"start command", secrets.hide(options.startCommand)});
    } else {
        rows.push_back(options.runsPython() ? Report::Row{"Python", options.python}
                                            : Report::Row{"Ruby", options.ruby});
        rows.push_back({"spawn method", options.spawnMethod});
    }
    rows.push_back({"user", report.runAs.switches() ? report.runAs.user : "that of the agent"});
    rows.push_back({"group", report.runAs.switches() ? report.runAs.group : "that of the agent"});
    return rows;
}

std::vector<Report::Row> environmentRows(const std::map<std::string, std::string> &environment,
                                         const Secrets &secrets) {
    return listOf(environment, [&](const auto &variable) {
        const auto &[name, value] = variable;
        // One variable may contain the secret of another.
        return Report::Row{name, secrets.hide(Secrets::shown(name, value))};
    });
}

}  // namespace

void SpawnReport::failedBy(const Frame &frame) {
    exceptionClass = frame.field(1).substr(0, MAX_CLASS);
    exceptionMessage = frame.field(2);
    backtrace = frame.field(3);
    if (frame.fields.size() > 4) {
        const auto status = static_cast<int>(frame.number(4));
        const int signal = signalOfShell(status);
        commandStatus = signal > 0 ? signal : status;
    }
    if (const auto end = exceptionMessage.find('\n'); exceptionClass.empty() && end != std::string::npos) {
        // A bridge names no exception, and goes on with the remedy.
        details = exceptionMessage.substr(end + 1);
    }
    summary = fmt::format("the step \"{}\" failed{}{}: {}", frame.field(0).substr(0, SpawnSteps::MAX_NAME),
                          exceptionClass.empty() ? "" : " with ", exceptionClass, firstLine(exceptionMessage));
}

Report SpawnReport::toReport(const Options &options) const {
    const Secrets secrets(process.environment);
    const std::string step = steps.current();
    FailureFacts facts{.step = step,
                       .exceptionClass = exceptionClass,
                       .exceptionMessage = exceptionMessage,
                       .problem = summary + "\n" + details,
                       .output = output,
                       .waitStatus = commandStatus ? commandStatus : waitStatus,
                       .timedOut = timedOut,
                       .language = languageOf(options)};
    std::string line = summary;
    if (const auto printed = printedError(*this, facts)) {
        line += ": " + firstLine(printed->text());
        if (printed->exceptionClass.empty()) {
            facts.lastError = printed->message;
        } else {
            facts.language = printed->language;
            facts.exceptionClass = printed->exceptionClass;
            facts.exceptionMessage = printed->message;
        }
    }
    const auto diagnosis = diagnose(facts);
    Report report;
    report.summary =
        secrets.hide(diagnosis.brief.empty() ? line : line + "; " + diagnosis.brief).substr(0, MAX_SUMMARY);
    report.signal = facts.waitStatus && WIFSIGNALED(*facts.waitStatus) ? WTERMSIG(*facts.waitStatus) : 0;
    report.exited = waitStatus && WIFEXITED(*waitStatus);
    report.orderly = exceptionClass.empty() && facts.waitStatus && WIFEXITED(*facts.waitStatus) &&
                     WEXITSTATUS(*facts.waitStatus) == 0;
    report.mayPass = mayPass;
    report.late = timedOut && options.othersServe;
    report.add("Step", Report::Form::PROSE, step);
    report.add("Usual cause", Report::Form::PROSE, secrets.hide(diagnosis.cause));
    report.add("Remedy", Report::Form::PROSE, secrets.hide(diagnosis.remedy));
    report.add("Exception", Report::Form::LINES, secrets.hide(exceptionText(*this)));
    report.add("Details", Report::Form::LINES, secrets.hide(details));
    report.add("Backtraces of the threads", Report::Form::LINES, secrets.hide(threads, Report::Keep::END),
               Report::Keep::END);
    report.add("Last output of the application", Report::Form::LINES, secrets.hide(output, Report::Keep::END),
               Report::Keep::END);
    report.addTable("Steps", stepRows(steps));
    report.addTable("Settings", settingRows(*this, options, secrets));
    report.addTable("User and groups of the process", process.ids);
    report.addTable("Limits (soft, hard)", process.limits);
    report.addTable("Environment", environmentRows(process.environment, secrets));
    return report;
}

}  // namespace Passenger
