#pragma once

#include <cstdint>
#include <optional>

#include "apache2/httpd/Httpd.h"
#include "apache2/response/InterimAnswers.h"
#include "apache2/response/RefusalLog.h"
#include "apache2/response/ResponseHead.h"
#include "apache2/response/ResponseOutput.h"
#include "exchange/ApplicationPool.h"
#include "exchange/Session.h"

namespace Passenger {

/**
 * Turns an application's replies into httpd's response. One for each request; used by its thread.
 *
 * Nothing that was broken off looks whole: before the first byte went to httpd's filters, a failure is an error status; afterwards the
 * client's connection is closed without what would end the response properly.
 */
class ResponseSender {
public:
    /** @param app name for the log */
    ResponseSender(request_rec *r, const char *app, RefusalLog &refusals)
        : r_(r), app_(app), refusals_(refusals), interim_(r), output_(r, app) {}
    ResponseSender(const ResponseSender &) = delete;
    ResponseSender &operator=(const ResponseSender &) = delete;

    /** Whom to ask for the report of a refusal. */
    void setPool(ApplicationPool &pool) noexcept {
        pool_ = &pool;
    }
    /** PassengerStickySessions. @param asked the instance that the request was for; 0: any */
    void setSticky(std::uint32_t asked) noexcept {
        sticky_ = asked;
    }
    /** Memory for the next reply; take() knows it. */
    std::span<char> buffer() {
        return output_.buffer();
    }

    /** As ResponseOutput::awaitReply(). */
    bool awaitReply(Session &session) {
        return output_.awaitReply(session);
    }
    /** The head of a RESPONSE, which take() is to have next: parsed once for all. Null: it is malformed, as take() will find. */
    const ResponseHead *readHead(const Reply &reply);
    /** Takes what receive() brought into buffer(). @param moreWaits further replies can be had at once */
    void take(Reply &reply, bool moreWaits);
    /** Something outside of the replies failed: the response cannot be made or finished. */
    void fail(int status, const char *reason);
    /** The request's body could not be read. @param cause what httpd's input filters said */
    void giveUp(int status, apr_status_t cause);

    /** Whether no further reply is wanted. */
    bool over() const noexcept {
        return over_ || output_.lost();
    }
    /** To be called when it is over, and the application's session, too: it may wait for the client. */
    void deliver() {
        output_.deliver();
    }
    /** The client's connection is the application's now: what goes on there, where the head (if it is ours) has been sent. Else none. */
    FileDescriptor takeStream() noexcept {
        return std::move(stream_);
    }
    /** The first bytes from takeStream()'s. In the request's pool. */
    std::string_view streamStart() const noexcept {
        return streamStart_;
    }
    /** What the handler returns, when it is over. */
    int result() const noexcept {
        return output_.lost().value_or(result_);
    }

private:
    void takeHead(Reply &reply);
    void takeConnection(Reply &reply);
    void giveConnection(Reply &reply, const ResponseHead &head);
    void takeInterim(const Reply &reply);
    void refuse(const Reply &reply);
    void clientLeft();
    bool leaveToErrorDocument();
    void setStickyCookie(std::uint32_t instance);
    void addBody(std::span<char> body);
    void finish();
    void breakOff(int status);
    bool bodyAllowed() const noexcept;
    void setHeaders(const ResponseHead &head);
    void setStatus(int status);

    request_rec *r_;
    /** Of an error whose page this request is; else 200. httpd looks at it when the page fails, too. */
    const int statusBefore_ = r_->status;
    const char *app_;
    RefusalLog &refusals_;
    InterimAnswers interim_;
    ResponseOutput output_;
    ApplicationPool *pool_ = nullptr;
    /** What is missing of the Content-Length that the application gave. */
    std::optional<std::uint64_t> missing_;
    /** Nothing: sessions are not sticky. */
    std::optional<std::uint32_t> sticky_;
    FileDescriptor stream_;
    std::string_view streamStart_;
    /** The one that is taken or was read, while its reply's memory is there. */
    std::optional<ResponseHead> head_;
    const char *headProblem_ = nullptr;
    bool hasHead_ = false;
    /** The client's connection was taken over. */
    bool hijacked_ = false;
    bool over_ = false;
    int result_ = OK;
};

}  // namespace Passenger
