#include "apache2/response/Refusal.h"

#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

#include "apache2/config/Settings.h"
#include "apache2/request/RequestNotes.h"
#include "apache2/response/ErrorPage.h"
#include "base/FileContent.h"

namespace Passenger {

namespace {

constexpr std::size_t LARGEST_CUSTOM_PAGE = 1024 * 1024;

/** The report from the agent, which keeps each for a limited time. The agent gives only reports of
 *  this application, since the application itself may have chosen the id. Without a report, the
 *  summary is shown. */
Report reportFor(request_rec *r, const Reply &reply, ApplicationPool *pool, const char *app, LineLimits &lines) {
    try {
        if (pool != nullptr && !reply.reportId.empty()) {
            if (std::optional<Report> report = pool->report(reply.reportId, app)) {
                return *std::move(report);
            }
        }
    } catch (const std::exception &problem) {
        if (const std::optional<unsigned> leftOut = lines.mayLog(app, "report.missing")) {
            ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                          "event=report.missing %s report=\"%s\" reason=\"%s\" left_out=%u", RequestNotes::subject(r),
                          reply.reportId.c_str(), problem.what(), *leftOut);
        }
    }
    Report report;
    report.summary = reply.text;
    return report;
}

/** The administrator's page. Empty: it cannot be read, which is logged. */
std::string customPage(request_rec *r, const char *path, const char *app, LineLimits &lines) {
    tl::expected<std::string, std::string> page = ownersFileContent(path, LARGEST_CUSTOM_PAGE);
    if (page && !page->empty()) {
        return *std::move(page);
    }
    if (const std::optional<unsigned> leftOut = lines.mayLog(app, "error_page.unreadable")) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "event=error_page.unreadable %s file=\"%s\" reason=\"%s\" left_out=%u", RequestNotes::subject(r),
                      path, page ? "it is empty" : page.error().c_str(), *leftOut);
    }
    return "";
}

ErrorPage::Cause causeOf(const Reply &reply, int status) {
    if (reply.queueFull || status == HTTP_SERVICE_UNAVAILABLE || status == HTTP_GATEWAY_TIME_OUT) {
        return ErrorPage::Cause::BUSY;
    }
    return status == HTTP_NOT_FOUND ? ErrorPage::Cause::NOT_FOUND : ErrorPage::Cause::NOT_STARTED;
}

}  // namespace

Refusal Refusal::of(request_rec *r, const Reply &reply, int status, ApplicationPool *pool, const char *app,
                    LineLimits &lines) {
    const Settings &settings = Settings::of(r);
    const char *accept = apr_table_get(r->headers_in, "Accept");
    const ErrorPage::Format format = ErrorPage::formatFor(accept != nullptr ? accept : "");
    const ErrorPage::Cause cause = causeOf(reply, status);
    if (settings.showsFriendlyErrorPages()) {
        const Report report = reportFor(r, reply, pool, app, lines);
        return {ErrorPage::render(format, cause, status, reply.reportId, &report), ErrorPage::contentTypeOf(format)};
    }
    if (settings.customErrorPage != nullptr) {
        if (std::string page = customPage(r, settings.customErrorPage, app, lines); !page.empty()) {
            return {std::move(page), "text/html; charset=utf-8", false};
        }
    }
    return {ErrorPage::render(format, cause, status, reply.reportId, nullptr), ErrorPage::contentTypeOf(format)};
}

void Refusal::setHeaders(request_rec *r) const {
    ap_set_content_type(r, contentType);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    if (selfContained) {
        apr_table_mergen(r->headers_out, "Vary", "Accept");
        apr_table_setn(r->headers_out, "Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'");
    }
}

}  // namespace Passenger
