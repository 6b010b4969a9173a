#include "apache2/response/ErrorPage.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apache2/response/ErrorPageStyle.h"
#include "base/AcceptedTypes.h"
#include "base/MarkupText.h"

namespace Passenger::ErrorPage {

namespace {

struct Words {
    const char *title;
    const char *advice;
};

Words wordsFor(Cause cause) {
    switch (cause) {
        case Cause::NOT_FOUND:
            return {"No application was found here", "Its owner finds the reason in the web server's error log."};
        case Cause::NOT_STARTED:
            return {"This application could not be started",
                    "Its owner finds the reason in the web server's error log."};
        case Cause::BUSY: break;
    }
    return {"This application is busy", "Please try again in a moment."};
}

// ----- Texts

std::string textPage(Cause cause, std::string_view reportId, const Report *report) {
    const Words words = wordsFor(cause);
    std::string page = std::string(words.title) + ".\n";
    page += report == nullptr ? std::string(words.advice) + "\n" : "";
    page += reportId.empty() ? "" : "Report: " + std::string(reportId) + "\n";
    page += report == nullptr ? "" : "\n" + report->text();
    return printable(page);
}

// ----- JSON

std::string jsonPage(Cause cause, int status, std::string_view reportId, const Report *report) {
    nlohmann::json page{{"status", status}, {"error", wordsFor(cause).title}};
    if (!reportId.empty()) {
        page["report"] = reportId;
    }
    if (report != nullptr) {
        page["summary"] = report->summary;
        page["parts"] = nlohmann::json::array();
        for (const Report::Part &part : report->parts) {
            nlohmann::json entry{{"title", part.title}};
            if (part.form == Report::Form::TABLE) {
                entry["rows"] = part.rows();
            } else {
                entry["text"] = part.text;
            }
            page["parts"].push_back(std::move(entry));
        }
    }
    return page.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

// ----- HTML

std::string htmlTable(const std::vector<Report::Row> &rows) {
    std::string html = "<table>\n";
    for (const Report::Row &row : rows) {
        html += "<tr>";
        for (const std::string &cell : row) {
            html += "<td>" + markupText(cell) + "</td>";
        }
        html += "</tr>\n";
    }
    return html + "</table>\n";
}

std::string htmlPart(const Report::Part &part) {
    const std::string title = markupText(part.title);
    switch (part.form) {
        case Report::Form::PROSE: return "<dt>" + title + "</dt><dd>" + markupText(part.text) + "</dd>\n";
        case Report::Form::LINES: return "<h2>" + title + "</h2>\n<pre>" + markupText(part.text) + "</pre>\n";
        case Report::Form::TABLE:
            return "<details><summary>" + title + "</summary>\n" + htmlTable(part.rows()) + "</details>\n";
    }
    return "";
}

std::string htmlReport(const Report &report) {
    std::string html = "<p class=\"summary\">" + markupText(report.summary) + "</p>\n";
    const auto addAll = [&](bool prose) {
        for (const Report::Part &part : report.parts) {
            if ((part.form == Report::Form::PROSE) == prose) {
                html += htmlPart(part);
            }
        }
    };
    html += "<dl>\n";
    addAll(true);
    html += "</dl>\n";
    addAll(false);
    return html;
}

std::string htmlPage(Cause cause, std::string_view reportId, const Report *report) {
    const Words words = wordsFor(cause);
    std::string page = fmt::format(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"robots\" content=\"noindex\">\n<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n"
        "<h1>{}</h1>\n",
        words.title, STYLE, words.title);
    if (report == nullptr || report->parts.empty()) {
        page += std::string("<p>") + words.advice + "</p>\n";
    }
    if (!reportId.empty()) {
        page += "<p>Report: <code>" + markupText(reportId) + "</code></p>\n";
    }
    if (report != nullptr) {
        page += htmlReport(*report);
    }
    return page + "</main>\n</body>\n</html>\n";
}

}  // namespace

Format formatFor(std::string_view accept) {
    double html = 0;
    double json = 0;
    double text = 0;
    for (const auto &[type, quality] : acceptedTypes(accept)) {
        if (type == "text/html" || type == "application/xhtml+xml") {
            html = std::max(html, quality);
        } else if (type == "application/json" || type.ends_with("+json")) {
            json = std::max(json, quality);
        } else if (type == "text/plain") {
            text = std::max(text, quality);
        }
    }
    if (html > 0 && html >= json && html >= text) {
        return Format::HTML;
    }
    return json > 0 && json >= text ? Format::JSON : Format::TEXT;
}

const char *contentTypeOf(Format format) noexcept {
    switch (format) {
        case Format::HTML: return "text/html; charset=utf-8";
        case Format::JSON: return "application/json";
        case Format::TEXT: break;
    }
    return "text/plain; charset=utf-8";
}

std::string render(Format format, Cause cause, int status, std::string_view reportId, const Report *report) {
    switch (format) {
        case Format::HTML: return htmlPage(cause, reportId, report);
        case Format::JSON: return jsonPage(cause, status, reportId, report);
        case Format::TEXT: break;
    }
    return textPage(cause, reportId, report);
}

}  // namespace Passenger::ErrorPage
