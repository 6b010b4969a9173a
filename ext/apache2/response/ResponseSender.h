#pragma once

#include <cstdint>
#include <optional>

#include "apache2/httpd/Httpd.h"
#include "apache2/response/AnswerLimits.h"
#include "apache2/response/ConnectionTakeover.h"
#include "apache2/response/InterimAnswers.h"
#include "apache2/response/ResponseHead.h"
#include "apache2/response/ResponseOutput.h"
#include "exchange/ApplicationPool.h"
#include "exchange/MessageSession.h"

namespace Passenger {

/**
 * Turns an application's replies into httpd's response, as PassengerErrorOverride,
 * PassengerShowVersionInHeader and PassengerRequestQueueOverflowStatusCode say. One for each
 * request; used by the request's thread.
 *
 * An incomplete response never looks complete. Before the first byte is passed to httpd's filters,
 * a failure becomes an error status. Afterwards, the client's connection is closed without the
 * proper end of a response.
 */
class ResponseSender {
public:
    /** @param app the name in the log */
    ResponseSender(request_rec *r, const char *app, AnswerLimits &limits)
        : r_(r), app_(app), limits_(limits), takeover_(r, app, limits), interim_(r), output_(r, app, limits) {}
    ResponseSender(const ResponseSender &) = delete;
    ResponseSender &operator=(const ResponseSender &) = delete;

    /** Called before the request is in flight, and when it is no more. */
    void beginExchange();
    void endExchange() noexcept { stream_.reset(); }
    /** The threads of httpd that the application holds. */
    HttpdThreads threads() noexcept;
    /** The pool that gives the report of a refusal. */
    void setPool(ApplicationPool &pool) noexcept { pool_ = &pool; }
    /** PassengerStickySessions. @param asked the instance that the request names; 0: any */
    void setSticky(std::uint32_t asked) noexcept { sticky_ = asked; }
    /** PassengerServerTiming. For the head that take() takes next. */
    void setTimes(const std::optional<MessageSession::Times> &times) noexcept { times_ = times; }
    /** Memory for the next reply. take() recognizes bytes in it. */
    std::span<char> buffer() { return output_.buffer(); }

    /** See ResponseOutput::awaitReply(). */
    bool awaitReply(MessageSession &session) {
        const bool reply = output_.awaitReply(session);
        excuseFilters(session);
        return reply;
    }
    /** See ResponseOutput. */
    bool lags() const noexcept { return output_.lags(); }
    bool passOn(MessageSession &session) {
        const bool taken = output_.passOn();
        excuseFilters(session);
        return taken;
    }
    /** The time in httpd's filters, which may wait for the client, is not the application's. */
    void excuseFilters(MessageSession &session) { session.excuse(output_.takeTimeInFilters()); }
    /** Parses the head of a RESPONSE, which the next take() then uses. Null: the head is malformed,
     *  and take() reports it. */
    const ResponseHead *readHead(const Reply &reply);
    /** Takes the reply that receive() has read into buffer(). @param moreWaits further replies have
     *  arrived */
    void take(Reply &reply, bool moreWaits);
    /** Ends the response with a failure that is not a reply. */
    void fail(int status, const char *reason);
    /** Answers 404 with a page that shows the text, where pages may show details. */
    void sayNotFound(const char *text);
    /** Ends the request since its body is beyond a quota of spool files. */
    void refuseBody(const SpoolQuotaExceeded &quota);
    /** Ends the request since its body cannot be read. @param cause the status of httpd's input
     *  filters */
    void giveUp(int status, apr_status_t cause);

    /** Whether the head that was taken is that of an event stream without a length. */
    bool beginsEventStream() const noexcept {
        return hasHead_ && !over() && !missing_ && r_->status == HTTP_OK && ResponseOutput::isEventStream(r_);
    }
    bool over() const noexcept { return over_ || output_.lost(); }
    /** Why the response is over. */
    MessageSession::End end() const noexcept { return output_.lost() ? MessageSession::End::CLIENT_LEFT : end_; }
    /** Sends the rest. Called when the response and the application's session are over, since
     *  deliver() may wait for the client. */
    void deliver() { output_.deliver(); }
    /** Called before deliver() if a part of the request's body was not read. httpd reads that part
     *  before it sends what it holds, so the answer does not wait in httpd. Behind an error page of
     *  httpd the connection ends, and httpd does not read the rest. */
    void leaveBodyUnread() noexcept;
    /** The takeover of the client's connection. The head, if this side makes it, has been sent. */
    ConnectionTakeover &takeover() noexcept { return takeover_; }
    /** The handler's result, when the response is over. */
    int result() const noexcept { return output_.lost().value_or(result_); }

private:
    void takeHead(Reply &reply);
    void endByTakeover(const std::optional<ConnectionTakeover::Failure> &failure);
    void countReader();
    void takeInterim(const Reply &reply);
    void refuse(const Reply &reply);
    void showRefusal(const Reply &reply, int status);
    void clientLeft();
    bool isOverridden(int status) const noexcept;
    bool leaveToErrorDocument();
    void setServerTiming();
    void setStickyCookie(std::uint32_t instance);
    void addBody(std::span<char> body);
    void addTrailers(std::string_view lines);
    void finish();
    void breakOff(int status);
    bool bodyAllowed() const noexcept;
    void setHeaders(const ResponseHead &head);
    void setStatus(int status);

    request_rec *r_;
    /** The error status if this request serves an error page; else 200. httpd reads `status` again
     *  if that page fails. */
    const int statusBefore_ = r_->status;
    const char *app_;
    AnswerLimits &limits_;
    /** The place of this request among mod_http2's threads. Empty: it is not in flight, or no
     *  stream. */
    std::optional<ThreadUse::Place> stream_;
    /** The place of this thread, while it works for the application without a request in flight. */
    std::optional<ThreadUse::Place> reader_;
    ConnectionTakeover takeover_;
    InterimAnswers interim_;
    ResponseOutput output_;
    ApplicationPool *pool_ = nullptr;
    /** The bytes missing to the application's Content-Length. */
    std::optional<std::uint64_t> missing_;
    /** Nothing: sessions are not sticky. */
    std::optional<std::uint32_t> sticky_;
    std::optional<MessageSession::Times> times_;
    /** The parsed head of the current reply; valid while the reply's memory is. */
    std::optional<ResponseHead> head_;
    const char *headProblem_ = nullptr;
    bool hasHead_ = false;
    bool over_ = false;
    MessageSession::End end_ = MessageSession::End::TAKEN;
    int result_ = OK;
};

}  // namespace Passenger
