#include "apache2/response/ResponseOutput.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <utility>

extern "C" {
#include <mod_core.h>
}

#include "apache2/config/Settings.h"
#include "apache2/request/ClientSocket.h"
#include "apache2/request/RequestNotes.h"
#include "apache2/response/BreakMark.h"
#include "base/Exceptions.h"

namespace Passenger {

namespace {

using SteadyClock = std::chrono::steady_clock;

/** With the bytes that httpd holds for a slow client, this is at most a piece and its framing. */
constexpr std::uint64_t LEFT_IN_MEMORY = 12 * 1024;

/** mod_include's filter, by itself and by AddOutputFilterByType. */
constexpr std::array<const char *, 2> INCLUDES{"includes", "bytype:includes"};
constexpr std::string_view EVENT_STREAM = "text/event-stream";

/**
 * Whether mod_include reads the answer. While it has a piece, it asks for the answers that the page
 * includes, maybe of the same application. If an instance waits for this thread then, neither goes
 * on.
 */
bool includesAnswers(request_rec *r) noexcept {
    if ((ap_allow_options(r) & OPT_INCLUDES) == 0) {
        return false;
    }
    for (const ap_filter_t *filter = r->output_filters; filter != nullptr; filter = filter->next) {
        if (std::any_of(INCLUDES.begin(), INCLUDES.end(),
                        [&](const char *name) { return ap_cstr_casecmp(name, filter->frec->name) == 0; })) {
            return true;
        }
    }
    return false;
}

bool sentNoHead(const request_rec *r) noexcept {
    const ap_filter_t *filter = r->output_filters;
    while (filter != nullptr && filter->frec != ap_http_header_filter_handle) {
        filter = filter->next;
    }
    return filter != nullptr;
}

/** Whether a filter has answered in place of the application, as mod_xsendfile does for a missing
 *  file: by ap_die(), whose status it returns. An ErrorDocument is another request. */
bool answersInstead(apr_status_t status, const request_rec *r) noexcept {
    const request_rec *last = r;
    while (last->next != nullptr) {
        last = last->next;
    }
    return ap_is_HTTP_ERROR(status) && !sentNoHead(r) && last->eos_sent != 0;
}

/** Whether the answer is a stream of HTTP/2, and no part of another answer. */
bool isStream(const request_rec *r) noexcept {
    return r->connection->master != nullptr && r->main == nullptr;
}

/** For a connection that httpd has not marked as aborted. */
bool saysThatTheClientLeft(apr_status_t status) noexcept {
    return APR_STATUS_IS_ECONNABORTED(status) || APR_STATUS_IS_ECONNRESET(status) || APR_STATUS_IS_EPIPE(status);
}

}  // namespace

ResponseOutput::ResponseOutput(request_rec *r, const char *app, AnswerLimits &limits)
    : r_(r),
      app_(app),
      limits_(limits),
      buffer_(r, app, limits.spool, limits.lines),
      pace_(clientSocket(r), std::chrono::milliseconds(apr_time_as_msec(r->server->timeout)), carrierSocket(r)),
      held_(Settings::of(r).bufferResponse) {}

void ResponseOutput::begin() {
    buffer_.begin();
    passing_ = apr_brigade_create(r_->pool, r_->connection->bucket_alloc);
}

bool ResponseOutput::isEventStream(const request_rec *r) noexcept {
    return r->content_type != nullptr &&
           ap_cstr_casecmpn(r->content_type, EVENT_STREAM.data(), EVENT_STREAM.size()) == 0;
}

/** Called when the head is in the request_rec. An event stream includes nothing, and its bytes may
 *  not wait for its end. */
bool ResponseOutput::isHeld() noexcept {
    if (!std::exchange(decided_, true)) {
        held_ = !isEventStream(r_) && (held_ || includesAnswers(r_));
    }
    return held_;
}

void ResponseOutput::add(std::span<char> body) {
    if (isHeld() && buffer_.full()) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r_,
                      "event=response.streamed %s reason=\"longer than PassengerResponseBufferHighWatermark\"",
                      RequestNotes::subject(r_));
        held_ = false;
    }
    buffer_.add(body, pace_.lags() || held_);
}

void ResponseOutput::forward(bool pause) {
    if (isHeld()) {
        return;
    }
    pace_.beginTurn(pause);
    while (!lost_ && pace_.takes(filtersAreEmpty(), buffer_.size()) && hasNext(pause)) {
        passPiece();
    }
    if (!lost_ && pace_.takesFlush(pause)) {
        flush();
    }
}

bool ResponseOutput::passOn() {
    const std::uint64_t before = buffer_.size();
    pace_.endReplies();
    forward(true);
    return buffer_.size() < before;
}

/** @return whether httpd has sent all bytes passed on, as far as that is known. Never waits. */
bool ResponseOutput::filtersAreEmpty() {
    conn_rec *connection = r_->connection;
    if (!pace_.hasSocket() || connection->data_in_output_filters == 0) {
        return true;
    }
    // The event MPM does the same after a request: the last filter writes as much as possible.
    ap_filter_t *core = connection->output_filters;
    while (core->next != nullptr) {
        core = core->next;
    }
    core->frec->filter_func.out_func(core, nullptr);
    if (connection->aborted != 0) {
        lost_ = OK;
    }
    return connection->data_in_output_filters == 0;
}

/** With a socket, less than a piece waits for the next bytes, or for the end. */
bool ResponseOutput::hasNext(bool pause) {
    return buffer_.refill() &&
           (pause || !pace_.hasSocket() || buffer_.inMemory() >= AnswerBuffer::PIECE || buffer_.overflows());
}

void ResponseOutput::passPiece() {
    pace_.count(buffer_.takePiece(passing_));
    pass();
}

void ResponseOutput::flush() {
    APR_BRIGADE_INSERT_TAIL(passing_, apr_bucket_flush_create(r_->connection->bucket_alloc));
    pass();
}

void ResponseOutput::pass() {
    passed_ = true;
    const SteadyClock::time_point before = SteadyClock::now();
    const apr_status_t status = ap_pass_brigade(r_->output_filters, passing_);
    const SteadyClock::duration inFilters = SteadyClock::now() - before;
    inFilters_ += inFilters;
    pace_.note(inFilters);
    apr_brigade_cleanup(passing_);
    // mod_xsendfile has replaced the answer with a file. The client would take further bytes for
    // the next answer.
    const bool replaced = status == APR_SUCCESS && !ended_ && r_->eos_sent != 0;
    if (status == AP_FILTER_ERROR) {
        lost_ = AP_FILTER_ERROR;
    } else if (replaced || r_->connection->aborted != 0 || saysThatTheClientLeft(status) ||
               answersInstead(status, r_)) {
        lost_ = OK;
    } else if (status != APR_SUCCESS) {
        filterFailed(status);
    }
}

/** A filter cannot go on, as mod_substitute with a line that is too long. The client is there. */
void ResponseOutput::filterFailed(apr_status_t status) {
    logLost(status, "a filter of httpd has failed");
    r_->connection->keepalive = AP_CONN_CLOSE;
    if (sentNoHead(r_)) {
        // httpd makes an error page of this.
        lost_ = AP_FILTER_ERROR;
        return;
    }
    if (isUnframed()) {
        reset();
    }
    if (isStream(r_)) {
        breakStream();
    }
    r_->connection->aborted = 1;
    lost_ = OK;
}

void ResponseOutput::logLost(apr_status_t status, const char *reason) {
    if (const std::optional<unsigned> leftOut = limits_.lines.mayLog(app_, "response.lost")) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, status, r_, "event=response.lost %s reason=\"%s\" left_out=%u",
                      RequestNotes::subject(r_), reason, *leftOut);
    }
}

/** Without an end, a stream of HTTP/2 stays open. The filter that has failed would drop it. */
void ResponseOutput::breakStream() {
    end_ = End::BROKEN;
    insertEnd();
    ap_pass_brigade(r_->proto_output_filters, passing_);
    apr_brigade_cleanup(passing_);
}

bool ResponseOutput::awaitReply(MessageSession &session) {
    if (!pace_.lags()) {
        place_.reset();
        return true;
    }
    if (pace_.hasSocket() && buffer_.fileFailed() && buffer_.full() && !mayWait()) {
        return false;
    }
    // The session looks for the client only where it waits for a reply.
    if (!pace_.hasSocket() && r_->connection->aborted != 0) {
        giveUp("the client left");
        return false;
    }
    if (pace_.isStuck()) {
        giveUp("the client read nothing for httpd's Timeout");
        return false;
    }
    const bool reply = pace_.awaitReply(session, buffer_.full(), buffer_.mayBeginFile());
    forward(!reply);
    return reply && !lost_;
}

void ResponseOutput::giveUp(const char *reason) {
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r_, "event=request.given_up %s reason=\"%s\" uri=\"%s\"",
                  RequestNotes::subject(r_), reason, r_->uri);
    r_->connection->aborted = 1;
    lost_ = OK;
}

/**
 * Whether this thread may wait for a client while the application's files may not grow. Otherwise
 * the connection is cut: the application has as many slow clients as it may, and the threads that
 * are left are for others.
 */
bool ResponseOutput::mayWait() {
    if (place_) {
        return true;
    }
    if (std::optional<ThreadLimit::Place> place = limits_.slowClients.take(app_)) {
        place_.emplace(std::move(*place));
        return true;
    }
    limits_.spool.count(UsageLedger::Effect::CLIENT_CUT);
    if (const std::optional<unsigned> leftOut = limits_.lines.mayLog(app_, "response.client_cut")) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r_,
                      "event=response.client_cut %s directive=PassengerMaxSlowClients reason=\"threads of this httpd "
                      "process wait for %lu slow clients of the application, the most that may\" "
                      "uri=\"%s\" left_out=%u",
                      RequestNotes::subject(r_), static_cast<unsigned long>(limits_.slowClients.most()), r_->uri,
                      *leftOut);
    }
    r_->connection->aborted = 1;
    reset();
    lost_ = OK;
    return false;
}

void ResponseOutput::deliver() {
    if (end_ == End::NONE || lost_) {
        return;
    }
    try {
        // Over HTTP/2, bytes handed over to httpd would outlive the request.
        held_ = held_ && pace_.hasSocket();
        pace_.finish();
        const bool small = buffer_.inMemory() <= AnswerBuffer::PIECE && !buffer_.overflows();
        if (!small && (pace_.hasSocket() || !buffer_.fileFailed() || mayWait())) {
            forward(false);
        }
    } catch (const SystemException &problem) {
        logLost(APR_SUCCESS, problem.what());
        clear();
        breakOff();
    }
    if (!lost_) {
        handOver();
    }
}

/** Hands the rest over to httpd. httpd may hold little memory for a slow client: with more, it
 *  waits on this thread. */
void ResponseOutput::handOver() {
    // Over HTTP/2 no byte is left, and a file would outlive the request.
    if (pace_.hasSocket() && buffer_.inMemory() > (filtersAreEmpty() ? AnswerBuffer::PIECE : LEFT_IN_MEMORY) &&
        !buffer_.moveMemoryToFile() && !mayWait()) {
        return;
    }
    buffer_.takeAll(passing_);
    insertEnd();
    pass();
    if (flushesEnd_ && pace_.hasSocket() && !lost_) {
        APR_BRIGADE_INSERT_TAIL(passing_, apr_bucket_flush_create(r_->connection->bucket_alloc));
        ap_pass_brigade(r_->connection->output_filters, passing_);
        apr_brigade_cleanup(passing_);
    }
    if (end_ == End::BROKEN && isUnframed()) {
        reset();
    }
}

/** @return whether the end of the connection ends the answer (HTTP/1.0), or the page that includes
 *  it */
bool ResponseOutput::isUnframed() const noexcept {
    const request_rec *whole = r_;
    while (whole->main != nullptr) {
        whole = whole->main;
    }
    return pace_.hasSocket() && whole->chunked == 0 && apr_table_get(whole->headers_out, "Content-Length") == nullptr;
}

/** Resets the connection: an orderly end would look like the end of a whole answer. */
void ResponseOutput::reset() const noexcept {
    const linger hard{1, 0};
    setsockopt(clientSocket(r_), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    r_->connection->aborted = 1;
}

void ResponseOutput::insertEnd() {
    ended_ = true;
    apr_bucket_alloc_t *allocator = r_->connection->bucket_alloc;
    if (end_ == End::BROKEN && isUnframed()) {
        APR_BRIGADE_INSERT_TAIL(passing_, apr_bucket_flush_create(allocator));
    }
    if (end_ == End::BROKEN) {
        r_->connection->keepalive = AP_CONN_CLOSE;
        APR_BRIGADE_INSERT_TAIL(passing_, BreakMark::bucket(r_));
        BreakMark::set(r_);
    }
    APR_BRIGADE_INSERT_TAIL(passing_, apr_bucket_eos_create(allocator));
}

}  // namespace Passenger
