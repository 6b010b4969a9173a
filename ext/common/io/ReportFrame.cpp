#include "io/ReportFrame.h"

#include <algorithm>
#include <array>

#include "base/Exceptions.h"

namespace Passenger {

namespace {

/** The names of Report::Form, in its order. */
constexpr std::array<const char *, 3> FORMS{"prose", "lines", "table"};

Report::Form formNamed(const std::string &name) {
    const auto found = std::find(FORMS.begin(), FORMS.end(), name);
    if (found == FORMS.end()) {
        throw ProtocolException("a report's part of the unknown form \"" + name + "\"");
    }
    return static_cast<Report::Form>(found - FORMS.begin());
}

}  // namespace

void addReport(Frame &frame, const Report &report) {
    frame.add(report.id);
    frame.add(report.summary);
    for (const Report::Part &part : report.parts) {
        frame.add(part.title);
        frame.add(FORMS.at(static_cast<std::size_t>(part.form)));
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
