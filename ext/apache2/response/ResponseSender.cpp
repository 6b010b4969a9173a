#include "apache2/response/ResponseSender.h"

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "apache2/config/Settings.h"
#include "apache2/httpd/PoolText.h"
#include "apache2/request/RequestNotes.h"
#include "apache2/request/RequestUri.h"
#include "apache2/request/Route.h"
#include "apache2/request/StickyCookie.h"
#include "apache2/response/Refusal.h"
#include "apache2/response/ResponseTrailers.h"
#include "base/WholeNumber.h"

namespace Passenger {

namespace {

constexpr int CLIENT_CLOSED_REQUEST = 499;

/** Seconds after which a client of a busy application may try again. Clients that were refused
 *  together do not come back together. */
const char *retryAfter(request_rec *r) {
    constexpr unsigned LEAST = 2;
    constexpr unsigned MOST = 6;
    return apr_psprintf(r->pool, "%u", ap_random_pick(LEAST, MOST));
}

/** httpd makes the header Allow of a page without a URL itself, of the methods that it knows to be
 *  allowed. */
void noteAllowed(request_rec *r) {
    char *place = nullptr;
    char *list = apr_pstrdup(r->pool, orEmpty(apr_table_getm(r->pool, r->headers_out, "Allow")));
    while (const char *method = apr_strtok(std::exchange(list, nullptr), ", \t", &place)) {
        ap_method_list_add(r->allowed_methods, method);
    }
    // Names that httpd does not know count, too.
    r->allowed_methods->method_mask |= AP_METHOD_BIT << M_INVALID;
}

/** @return false: httpd has no ErrorDocument for this status, and would answer 500 */
bool hasErrorDocument(int status) {
    const std::string_view line = ap_get_status_line(status);
    return ap_is_HTTP_ERROR(status) && wholeNumber<int>(line.substr(0, line.find(' '))) == status;
}

}  // namespace

void ResponseSender::take(Reply &reply, bool moreWaits) {
    switch (reply.kind) {
        case Reply::Kind::RESPONSE: takeHead(reply); break;
        case Reply::Kind::DATA:
            if (reply.fromFile) {
                countReader();
            }
            addBody(reply.body);
            addTrailers(reply.trailers);
            break;
        case Reply::Kind::INTERIM: takeInterim(reply); return;
        case Reply::Kind::HIJACKED:
            reader_.reset();  // The takeover counts this thread anew.
            endByTakeover(takeover_.take(reply));
            break;
        case Reply::Kind::ABORTED: fail(HTTP_BAD_GATEWAY, "the application broke off its answer"); break;
        case Reply::Kind::LOST: fail(HTTP_BAD_GATEWAY, "the instance died"); break;
        case Reply::Kind::REFUSED: refuse(reply); break;
        case Reply::Kind::CLIENT_LEFT: clientLeft(); break;
        case Reply::Kind::TIMED_OUT:
            fail(HTTP_GATEWAY_TIME_OUT,
                 reply.text.empty() ? "the instance did not answer in time" : reply.text.c_str());
            break;
        case Reply::Kind::BROKEN: fail(HTTP_BAD_GATEWAY, reply.text.c_str()); break;
    }
    if (over()) {
        return;
    }
    if (reply.last) {
        finish();
    } else if (!moreWaits || output_.gathered()) {
        output_.forward(!moreWaits);
    }
}

const ResponseHead *ResponseSender::readHead(const Reply &reply) {
    headProblem_ = head_.emplace().parse(reply.head);
    return headProblem_ == nullptr ? &*head_ : nullptr;
}

void ResponseSender::takeHead(Reply &reply) {
    if (!head_) {
        readHead(reply);
    }
    const ResponseHead head = std::move(*head_);
    head_.reset();
    const bool upgrades = reply.stream && reply.status == HTTP_SWITCHING_PROTOCOLS;
    const bool possible = upgrades || (reply.status >= 200 && reply.status <= 999);
    const char *problem = hasHead_ ? "a second head" : !possible ? "a status that is not an HTTP status" : headProblem_;
    if (problem != nullptr) {
        fail(HTTP_BAD_GATEWAY, apr_pstrcat(r_->pool, "malformed answer: ", problem, nullptr));
        return;
    }
    hasHead_ = true;
    output_.begin();
    setStatus(reply.status);
    setHeaders(head);
    if (sticky_ && reply.stickyId != 0 && reply.stickyId != *sticky_) {
        setStickyCookie(reply.stickyId);
    }
    if (times_) {
        setServerTiming();
    }
    if (reply.stream) {
        endByTakeover(takeover_.takeAfterHead(reply, head));
    } else if (!leaveToErrorDocument()) {
        addBody(reply.body);
    }
}

void ResponseSender::setStickyCookie(std::uint32_t instance) {
    const Settings &settings = Settings::of(r_);
    std::string path;
    RequestUri::escape(path, Route::of(r_)->baseUri);
    const std::string cookie = StickyCookie::make(settings.stickySessionsCookieName.value(), instance, path,
                                                  settings.stickySessionsCookieAttributes.value());
    apr_table_addn(r_->headers_out, "Set-Cookie", copyInto(r_->pool, cookie));
}

/** W3C Server Timing. A second header of this name adds to the application's own. */
void ResponseSender::setServerTiming() {
    const auto milliseconds = [](std::chrono::nanoseconds time) {
        return std::chrono::duration<double, std::milli>(time).count();
    };
    apr_table_addn(r_->headers_out, "Server-Timing",
                   apr_psprintf(r_->pool, "queue;dur=%.1f, app;dur=%.1f", milliseconds(times_->queue),
                                milliseconds(times_->service)));
}

/** PassengerErrorOverride: whether httpd's ErrorDocument replaces an answer with this status. */
bool ResponseSender::isOverridden(int status) const noexcept {
    // A request that serves an error page is shown whatever its own status is.
    return Settings::of(r_).errorOverride && statusBefore_ == HTTP_OK && hasErrorDocument(status);
}

/** Headers that belong to the status stay. */
bool ResponseSender::leaveToErrorDocument() {
    const int status = r_->status;
    if (!isOverridden(status)) {
        return false;
    }
    noteAllowed(r_);
    // PreStart knows by X-Powered-By that the application has answered.
    for (const char *name : {"WWW-Authenticate", "Retry-After", "Allow", "Set-Cookie", "X-Powered-By"}) {
        std::pair<const char *, apr_table_t *> kept{name, r_->err_headers_out};
        apr_table_do(
            [](void *to, const char *, const char *value) {
                auto &[header, table] = *static_cast<std::pair<const char *, apr_table_t *> *>(to);
                apr_table_addn(table, header, value);
                return 1;
            },
            &kept, r_->headers_out, name, nullptr);
    }
    breakOff(status);
    return true;
}

void ResponseSender::endByTakeover(const std::optional<ConnectionTakeover::Failure> &failure) {
    if (failure) {
        fail(failure->status, failure->reason);
    } else {
        over_ = true;
    }
}

/** This thread works for the application until the answer's end, without a request in flight. */
void ResponseSender::countReader() {
    if (!reader_) {
        stream_.reset();
        reader_.emplace(limits_.threads.addConnection(limits_.spool.keyOf(app_)));
    }
}

void ResponseSender::beginExchange() {
    if (r_->connection->master != nullptr) {
        stream_.emplace(limits_.threads.addStream(limits_.spool.keyOf(app_), r_->connection->master));
    }
}

HttpdThreads ResponseSender::threads() noexcept {
    return limits_.threads.of(limits_.spool.keyOf(app_), stream_ && stream_->counts());
}

bool ResponseSender::bodyAllowed() const noexcept {
    return r_->header_only == 0 && r_->status != HTTP_NO_CONTENT && r_->status != HTTP_NOT_MODIFIED;
}

void ResponseSender::setStatus(int status) {
    r_->status = status;
    r_->status_line = ap_get_status_line_ex(r_->pool, status);
}

void ResponseSender::setHeaders(const ResponseHead &head) {
    apr_pool_t *pool = r_->pool;
    for (const ResponseHead::Header &header : head.headers()) {
        apr_table_addn(r_->headers_out, copyInto(pool, header.name), copyInto(pool, header.value));
    }
    if (head.closes() && r_->connection->master == nullptr) {
        r_->connection->keepalive = AP_CONN_CLOSE;
    }
    apr_table_setn(r_->headers_out, "Status", r_->status_line);
    apr_table_mergen(
        r_->headers_out, "X-Powered-By",
        Settings::of(ap_server_conf).showVersionInHeader ? "mod_passenger " PASSENGER_VERSION : "mod_passenger");
    if (r_->status == HTTP_NO_CONTENT || r_->status == HTTP_NOT_MODIFIED) {
        return;
    }
    // httpd has set a type by the name of the URL's file, as httpd/unix-directory.
    ap_set_content_type(r_, head.contentType() ? copyInto(pool, *head.contentType()) : nullptr);
    if (head.contentLength()) {
        ap_set_content_length(r_, static_cast<apr_off_t>(*head.contentLength()));
        if (bodyAllowed()) {
            missing_ = head.contentLength();
        }
    } else if ((r_->connection->keepalive == AP_CONN_CLOSE || r_->expecting_100 != 0) &&
               ResponseTrailers::mayChunk(r_) && bodyAllowed()) {
        // httpd would end the answer with the connection, and an incomplete one would look whole.
        r_->chunked = 1;
    }
    if (bodyAllowed()) {
        ResponseTrailers::announce(r_, head);
    }
}

void ResponseSender::addBody(std::span<char> body) {
    if (!hasHead_) {
        fail(HTTP_BAD_GATEWAY, "malformed answer: a body without a head");
        return;
    }
    if (body.empty()) {
        return;
    }
    if (!bodyAllowed()) {
        finish();
        return;
    }
    bool surplus = missing_ && body.size() > *missing_;
    if (surplus) {
        if (const std::optional<unsigned> leftOut = limits_.lines.mayLog(app_, "response.cut")) {
            ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r_,
                          "event=response.cut %s reason=\"longer than its Content-Length\" left_out=%u",
                          RequestNotes::subject(r_), *leftOut);
        }
        body = body.first(*missing_);
    }
    if (missing_) {
        *missing_ -= body.size();
    }
    output_.add(body);
    if (surplus) {
        finish();
    }
}

void ResponseSender::addTrailers(std::string_view lines) {
    if (lines.empty() || over() || !bodyAllowed()) {
        return;
    }
    if (const char *problem = ResponseTrailers::add(r_, lines)) {
        fail(HTTP_BAD_GATEWAY, apr_pstrcat(r_->pool, "malformed trailer fields: ", problem, nullptr));
    }
}

void ResponseSender::takeInterim(const Reply &reply) {
    if (const char *problem = interim_.take(reply, hasHead_)) {
        fail(HTTP_BAD_GATEWAY, apr_pstrcat(r_->pool, "malformed interim answer: ", problem, nullptr));
    }
}

void ResponseSender::refuse(const Reply &reply) {
    int status = reply.status >= 400 && reply.status <= 599 ? reply.status : HTTP_INTERNAL_SERVER_ERROR;
    if (reply.queueFull) {
        status = Settings::of(r_).requestQueueOverflowStatusCode;
    }
    if (const std::optional<unsigned> leftOut = limits_.lines.mayLog(app_, "request.refused", status)) {
        std::string firstLine = reply.text.substr(0, reply.text.find('\n'));
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r_,
                      "event=request.refused %s status=%d report=\"%s\" reason=\"%s\" uri=\"%s\" left_out=%u",
                      RequestNotes::subject(r_), status, reply.reportId.c_str(), firstLine.c_str(), r_->uri, *leftOut);
    }
    if (hasHead_) {
        breakOff(status);
        return;
    }
    showRefusal(reply, status);
}

void ResponseSender::sayNotFound(const char *text) {
    Reply reply;
    reply.text = text;
    showRefusal(reply, HTTP_NOT_FOUND);
}

void ResponseSender::showRefusal(const Reply &reply, int status) {
    if (status == HTTP_SERVICE_UNAVAILABLE || reply.queueFull) {
        apr_table_setn(r_->err_headers_out, "Retry-After", retryAfter(r_));
    }
    if (isOverridden(status) && !Settings::of(r_).choosesErrorPage()) {
        breakOff(status);
        return;
    }
    hasHead_ = true;
    output_.begin();
    const Refusal refusal = Refusal::of(r_, reply, status, pool_, app_, limits_.lines);
    setStatus(status);
    refusal.setHeaders(r_);
    apr_table_setn(r_->headers_out, "Status", r_->status_line);
    std::string page(refusal.page);
    output_.add(page);
    finish();
}

void ResponseSender::finish() {
    if (missing_ && *missing_ > 0) {
        fail(HTTP_BAD_GATEWAY, "the answer is shorter than its Content-Length");
        return;
    }
    over_ = true;
    output_.finish();
}

void ResponseSender::fail(int status, const char *reason) {
    end_ = MessageSession::End::MALFORMED;
    if (const std::optional<unsigned> leftOut = limits_.lines.mayLog(app_, "request.failed", status)) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r_,
                      "event=request.failed %s status=%d reason=\"%s\" uri=\"%s\"%s left_out=%u",
                      RequestNotes::subject(r_), status, reason, r_->uri,
                      output_.passed() ? " consequence=\"response cut short, connection closed\"" : "", *leftOut);
    }
    breakOff(status);
}

void ResponseSender::refuseBody(const SpoolQuotaExceeded &quota) {
    if (const std::optional<unsigned> leftOut = limits_.lines.mayLog(app_, "upload.refused")) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r_,
                      "event=upload.refused %s status=%d directive=%s reason=\"%s\" uri=\"%s\" left_out=%u",
                      RequestNotes::subject(r_), HTTP_INSUFFICIENT_STORAGE, quota.directive(), quota.what(), r_->uri,
                      *leftOut);
    }
    // httpd does not read the rest of the body then.
    r_->connection->keepalive = AP_CONN_CLOSE;
    breakOff(HTTP_INSUFFICIENT_STORAGE);
}

void ResponseSender::giveUp(int status, apr_status_t cause) {
    end_ = MessageSession::End::CLIENT_LEFT;
    bool left = r_->connection->aborted != 0 || cause == APR_INCOMPLETE || APR_STATUS_IS_EOF(cause) ||
                APR_STATUS_IS_ECONNRESET(cause) || APR_STATUS_IS_ECONNABORTED(cause);
    // A filter has sent the answer by itself: LimitRequestBody's 413.
    const bool answered = status == AP_FILTER_ERROR;
    const int shown = answered ? r_->status : status;
    // An informative line is there only for who asks for it.
    const std::optional<unsigned> leftOut =
        left ? std::optional(0U) : limits_.lines.mayLog(app_, "request.given_up", shown);
    if (leftOut) {
        ap_log_rerror(
            APLOG_MARK, left ? APLOG_INFO : APLOG_WARNING, answered ? APR_SUCCESS : cause, r_,
            "event=request.given_up %s status=%d reason=\"%s\" uri=\"%s\" left_out=%u", RequestNotes::subject(r_),
            shown, left ? "the client left before the end of the request's body" : "the request's body cannot be read",
            r_->uri, *leftOut);
    }
    breakOff(status);
}

void ResponseSender::clientLeft() {
    end_ = MessageSession::End::CLIENT_LEFT;
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r_, "event=request.given_up %s reason=\"the client left\" uri=\"%s\"",
                  RequestNotes::subject(r_), r_->uri);
    if (output_.passed()) {
        // The client may only have closed its sending side, and sees that the answer breaks off.
        breakOff(r_->status);
        return;
    }
    over_ = true;
    r_->status = CLIENT_CLOSED_REQUEST;
    r_->connection->aborted = 1;
    r_->connection->keepalive = AP_CONN_CLOSE;
}

void ResponseSender::leaveBodyUnread() noexcept {
    if (ap_is_HTTP_ERROR(result_)) {
        r_->connection->keepalive = AP_CONN_CLOSE;
    } else {
        output_.flushEnd();
    }
}

void ResponseSender::breakOff(int status) {
    over_ = true;
    if (output_.passed()) {
        output_.breakOff();
        result_ = OK;
        return;
    }
    if (takeover_.headSent()) {
        // The head is with the client: httpd must add nothing.
        r_->connection->aborted = 1;
        return;
    }
    output_.clear();
    r_->status = statusBefore_;
    r_->status_line = nullptr;
    apr_table_clear(r_->headers_out);
    if (status == HTTP_SERVICE_UNAVAILABLE && apr_table_get(r_->err_headers_out, "Retry-After") == nullptr) {
        apr_table_setn(r_->err_headers_out, "Retry-After", retryAfter(r_));
    }
    result_ = status;
}

}  // namespace Passenger
