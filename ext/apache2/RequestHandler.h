#pragma once

#include <optional>

#include "apache2/Child.h"
#include "apache2/httpd/Httpd.h"
#include "apache2/request/BufferedBody.h"
#include "apache2/request/RequestBody.h"
#include "apache2/request/Route.h"
#include "apache2/response/ResponseSender.h"
#include "apache2/response/Turbocache.h"
#include "base/Exceptions.h"
#include "exchange/MessageSession.h"

namespace Passenger {

/** Serves one request: sends its body to the application and the response to the client. Lives on
 *  the stack of the request's thread. */
class RequestHandler {
public:
    RequestHandler(request_rec *r, const Route &route, Child &child)
        : r_(r), route_(route), child_(child), body_(r), turbocache_(r, route, child.responses(), body_.present()) {}

    /** @return the handler's result for httpd */
    int run();

private:
    bool bufferBody(ResponseSender &sender);
    void failToBuffer(ResponseSender &sender, const SystemException &problem);
    void noticeRestart();
    void converse(RequestContext &context, ResponseSender &sender);
    const char *contentLength() const;
    std::optional<Reply> start(MessageSession &session, const MessageSession::Request &request);
    bool fitsInline(std::size_t environment) const noexcept;
    bool bodyIsWanted(MessageSession &session, ResponseSender &sender);
    void noteRefusal(const Reply &refusal);
    void sendBody(MessageSession &session, ResponseSender &sender);
    void sendStreamed(MessageSession &session, ResponseSender &sender);
    int readBlock(MessageSession &session, std::string &block, bool waits);
    void sendBuffered(MessageSession &session, ResponseSender &sender);
    bool sendBlock(MessageSession &session, ResponseSender &sender, std::string_view block, bool last);
    void takeReply(MessageSession &session, ResponseSender &sender);
    void keepEventStream(MessageSession &session);

    request_rec *r_;
    const Route &route_;
    Child &child_;
    RequestBody body_;
    Turbocache turbocache_;
    /** The whole body, if it is read before the request is queued. */
    std::optional<BufferedBody> buffered_;
    /** The application has begun to read a body for which the client awaits `100 Continue`. */
    bool bodyAskedFor_ = false;
    bool answerBegun_ = false;
};

}  // namespace Passenger
