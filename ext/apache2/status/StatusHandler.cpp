#include "apache2/status/StatusHandler.h"

#include <algorithm>
#include <array>
#include <exception>
#include <string>
#include <string_view>

#include "apache2/agent/AgentKeeper.h"
#include "apache2/config/Settings.h"
#include "apache2/httpd/PoolText.h"
#include "apache2/request/SpoolQuota.h"
#include "apache2/status/HttpdFigures.h"
#include "apache2/status/TextAnswer.h"
#include "base/Exceptions.h"
#include "base/Split.h"
#include "control/ControlClient.h"
#include "control/PublicStatus.h"
#include "control/StatusMetrics.h"
#include "control/StatusPage.h"
#include "control/StatusText.h"
#include "control/StatusXml.h"

namespace Passenger::StatusHandler {

namespace {

/** A parameter of the URL that chooses a form; none: HTML. */
constexpr std::array<std::string_view, 4> FORMS{"json", "auto", "metrics", "xml"};

struct Question {
    std::string_view form = "html";
    /** Empty: all applications. */
    std::string app;
};

Question questionOf(request_rec *r) {
    Question question;
    for (const std::string &part : split(r->args != nullptr ? r->args : "", '&')) {
        const std::size_t sign = std::min(part.find('='), part.size());
        const std::string_view name = std::string_view(part).substr(0, sign);
        for (const std::string_view form : FORMS) {
            question.form = name == form ? form : question.form;
        }
        if (name == "app" && sign < part.size()) {
            char *value = copyInto(r->pool, std::string_view(part).substr(sign + 1));
            question.app = ap_unescape_urlencoded(value) == OK ? value : part.substr(sign + 1);
        }
    }
    return question;
}

/** All applications, or the one that the question is about. */
ServerStatus statusFor(ControlClient &agent, const Question &question, bool details, SpoolQuota &spool) {
    const auto detail = question.form == "metrics" ? ControlClient::Detail::FIGURES : ControlClient::Detail::USUAL;
    // The agent does not know public names.
    ServerStatus status = details ? agent.status(question.app, detail) : publicPart(agent.status({}, detail));
    status.workers = HttpdFigures::workers();
    status.spool = spool.use();
    if (!details && !question.app.empty()) {
        std::erase_if(status.apps, [&](const AppStatus &app) { return app.name != question.app; });
    }
    return status;
}

/** The nonce of the script in the page. */
std::string newNonce(request_rec *r) {
    std::array<unsigned char, 16> bytes{};
    ap_random_insecure_bytes(bytes.data(), bytes.size());
    char *text = static_cast<char *>(apr_palloc(r->pool, 2 * bytes.size() + 1));
    ap_bin2hex(bytes.data(), bytes.size(), text);
    return text;
}

int sendPage(request_rec *r, const ServerStatus &status, const Question &question, bool details) {
    const StatusPage::View view{question.app, details, newNonce(r)};
    apr_table_setn(
        r->headers_out, "Content-Security-Policy",
        apr_pstrcat(r->pool, "default-src 'none'; style-src 'unsafe-inline'; connect-src 'self'; script-src 'nonce-",
                    view.nonce.c_str(), "'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'", nullptr));
    return TextAnswer::send(r, StatusPage::has(status, view) ? HTTP_OK : HTTP_NOT_FOUND, "text/html; charset=utf-8",
                            StatusPage::render(status, view));
}

int sendForm(request_rec *r, const ServerStatus &status, const Question &question, bool details) {
    if (question.form == "json") {
        return TextAnswer::send(r, HTTP_OK, "application/json", toJson(status));
    }
    if (question.form == "auto") {
        return TextAnswer::send(r, HTTP_OK, "text/plain; charset=utf-8", statusAsText(status));
    }
    if (question.form == "xml") {
        return TextAnswer::send(r, HTTP_OK, "text/xml; charset=utf-8", statusXml(status));
    }
    if (question.form == "metrics") {
        const char *accept = apr_table_get(r->headers_in, "Accept");
        const StatusMetrics::Format format = StatusMetrics::formatFor(accept != nullptr ? accept : "");
        apr_table_mergen(r->headers_out, "Vary", "Accept");
        return TextAnswer::send(r, HTTP_OK, StatusMetrics::contentTypeOf(format),
                                StatusMetrics::render(status, format));
    }
    return sendPage(r, status, question, details);
}

}  // namespace

int run(request_rec *r, SpoolQuota &spool) {
    if (const int refusal = TextAnswer::allowReading(r); refusal != OK) {
        return refusal;
    }
    try {
        ControlClient agent(AgentKeeper::running().connectControl());
        const Question question = questionOf(r);
        const bool details = Settings::of(r).statusDetails;
        return sendForm(r, statusFor(agent, question, details, spool), question, details);
    } catch (const std::exception &problem) {
        return TextAnswer::sendNoAgent(r, problem.what());
    }
}

}  // namespace Passenger::StatusHandler
