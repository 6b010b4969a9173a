#include "apache2/status/TextAnswer.h"

namespace Passenger::TextAnswer {

namespace {

/** Seconds after which a balancer or a program asks again. */
constexpr const char *RETRY_AFTER = "5";

}  // namespace

int allowReading(request_rec *r) {
    apr_table_setn(r->err_headers_out, "Cache-Control", "no-store");
    if (r->method_number == M_GET) {
        return OK;
    }
    ap_allow_methods(r, REPLACE_ALLOW, "GET", nullptr);
    return HTTP_METHOD_NOT_ALLOWED;
}

int send(request_rec *r, int status, const char *type, const std::string &text) {
    r->status = status;
    ap_set_content_type(r, type);
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    if (status == HTTP_SERVICE_UNAVAILABLE) {
        apr_table_setn(r->headers_out, "Retry-After", RETRY_AFTER);
    }
    ap_set_content_length(r, static_cast<apr_off_t>(text.size()));
    ap_rwrite(text.data(), static_cast<int>(text.size()), r);
    return OK;
}

int sendNoAgent(request_rec *r, const char *reason) {
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "event=status.failed uri=\"%s\" reason=\"%s\"", r->uri, reason);
    return send(r, HTTP_SERVICE_UNAVAILABLE, "text/plain; charset=utf-8",
                "The agent of mod_passenger does not answer; httpd's error log has the reason.\n");
}

}  // namespace Passenger::TextAnswer
