#pragma once

#include <optional>

#include "apache2/Child.h"
#include "apache2/httpd/Httpd.h"
#include "apache2/request/Route.h"
#include "apache2/request/UploadBody.h"
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
        : r_(r),
          route_(route),
          child_(child),
          body_(r, route.appName, child.limits().spool),
          turbocache_(r, route, child.responses(), body_.present()) {}

    /** @return the handler's result for httpd */
    int run();

private:
    bool needsApplication(ResponseSender &sender);
    void askApplication(ResponseSender &sender);
    void finish(ResponseSender &sender);
    bool bufferBody(ResponseSender &sender);
    void failToBuffer(ResponseSender &sender, const SystemException &problem);
    void noticeRestart();
    void converse(RequestContext &context, ResponseSender &sender);
    std::optional<Reply> start(MessageSession &session, const MessageSession::Request &request);
    bool bodyIsWanted(MessageSession &session, ResponseSender &sender);
    void noteRefusal(const Reply &refusal);
    void sendBody(MessageSession &session, ResponseSender &sender);
    void sendStreamed(MessageSession &session, ResponseSender &sender);
    int readBlock(MessageSession &session, std::string &block, bool waits);
    void sendBuffered(MessageSession &session, ResponseSender &sender, BufferedBody &body);
    bool sendBlock(MessageSession &session, ResponseSender &sender, std::string_view block, bool last);
    void takeReply(MessageSession &session, ResponseSender &sender);
    void keepEventStream(MessageSession &session);

    request_rec *r_;
    const Route &route_;
    Child &child_;
    UploadBody body_;
    Turbocache turbocache_;
    /** The application has begun to read a body for which the client awaits `100 Continue`. */
    bool bodyAskedFor_ = false;
    bool answerBegun_ = false;
};

}  // namespace Passenger
