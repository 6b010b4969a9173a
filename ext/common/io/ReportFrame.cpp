#include "io/ReportFrame.h"

#include "base/Exceptions.h"

namespace Passenger {

namespace {

std::string nameOf(Report::Form form) {
    switch (form) {
        case Report::Form::PROSE: return "prose";
        case Report::Form::LINES: return "lines";
        case Report::Form::TABLE: return "table";
    }
    return "";
}

Report::Form formNamed(const std::string &name) {
    for (const auto form : {Report::Form::PROSE, Report::Form::LINES, Report::Form::TABLE}) {
        if (nameOf(form) == name) {
            return form;
        }
    }
    throw ProtocolException("a report's part of the unknown form \"" + name + "\"");
}

}  // namespace

void addReport(Frame &frame, const Report &report) {
    frame.add(report.id);
    frame.add(report.summary);
    for (const Report::Part &part : report.parts) {
        frame.add(part.title);
        frame.add(nameOf(part.form));
        frame.add(part.text);
    }
}

Report reportIn(const Frame &frame, std::size_t first) {
    Report report;
    report.id = frame.field(first);
    report.summary = frame.field(first + 1);
    for (std::size_t i = first + 2; i < frame.fields.size(); i += 3) {
        report.parts.push_back({frame.field(i), formNamed(frame.field(i + 1)), frame.field(i + 2)});
    }
    return report;
}

}  // namespace Passenger
