#include "apache2/RequestHandler.h"

#include <cerrno>
#include <chrono>
#include <exception>
#include <string>

#include "apache2/agent/AgentKeeper.h"
#include "apache2/config/Settings.h"
#include "apache2/request/ClientSocket.h"
#include "apache2/request/FairnessText.h"
#include "apache2/request/ForgedHeaders.h"
#include "apache2/request/RequestEnvironment.h"
#include "apache2/request/RequestNotes.h"
#include "apache2/request/UnknownApplication.h"
#include "apache2/response/ConnectionTransfer.h"
#include "apache2/response/HijackedConnection.h"
#include "apache2/response/ResponseTrailers.h"
#include "base/DescriptorLimit.h"

namespace Passenger {

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds FOREVER{-1};
/** While the client sends nothing, httpd's filters are asked this often, for mod_reqtimeout. */
constexpr std::chrono::milliseconds LONGEST_PAUSE{1000};
/** More than any request takes. */
constexpr std::chrono::hours WITHOUT_LIMIT{24 * 365};

/** Whether mod_http2 has made this request of an extended CONNECT (RFC 8441). No other request of
 *  HTTP/2 has this header. */
bool isWebSocketOverHttp2(const request_rec *r) {
    const char *upgrade = apr_table_get(r->headers_in, "Upgrade");
    return r->connection->master != nullptr && upgrade != nullptr && ap_cstr_casecmp(upgrade, "websocket") == 0;
}

}  // namespace

int RequestHandler::run() {
    RequestNotes::begin(r_, route_.appName);
    // mod_mime has derived these from the URL's name. The answer is not a file of that name.
    r_->content_encoding = nullptr;
    r_->content_languages = nullptr;
    ResponseSender sender(r_, route_.appName, child_.limits());
    if (!needsApplication(sender)) {
        return sender.result();
    }
    ForgedHeaders::removeTrailers(r_);
    noticeRestart();
    if (turbocache_.answer(sender)) {
        sender.deliver();
        return sender.result();
    }
    askApplication(sender);
    finish(sender);
    return sender.result();
}

/** @return false: the request is answered without its application */
bool RequestHandler::needsApplication(ResponseSender &sender) {
    if (route_.unknown != nullptr) {
        sender.sayNotFound(route_.unknown->text(r_->pool));
        sender.deliver();
        return false;
    }
    if (route_.problem != nullptr) {
        sender.fail(HTTP_INTERNAL_SERVER_ERROR, route_.problem);
        return false;
    }
    if (isWebSocketOverHttp2(r_)) {
        sender.fail(HTTP_NOT_IMPLEMENTED, "a WebSocket over HTTP/2, which H2WebSockets allows");
        return false;
    }
    return bufferBody(sender);
}

void RequestHandler::askApplication(ResponseSender &sender) {
    try {
        Child::BorrowedContext context = child_.borrow();
        try {
            sender.setPool((*context).pool());
            converse(*context, sender);
            sender.endExchange();
        } catch (...) {
            context.discard();
            throw;
        }
    } catch (const std::exception &problem) {
        turbocache_.noteBreak();
        sender.fail(HTTP_SERVICE_UNAVAILABLE, problem.what());
    }
}

/** The exchange is over: the application's thread, the channel, the request context and the body's
 *  file are free for other requests. An application that has taken the connection over may still
 *  read the body. */
void RequestHandler::finish(ResponseSender &sender) {
    ConnectionTakeover &takeover = sender.takeover();
    if (!takeover.awaitsRelay()) {
        body_.dropBuffered();
    }
    if (takeover.transferred()) {
        HijackedConnection::leaveHttp(r_);
        return;
    }
    if (body_.leftUnread()) {
        sender.leaveBodyUnread();
    }
    sender.deliver();
    if (takeover.awaitsRelay()) {
        takeover.relay(sender.buffer());
    }
}

/** @return false: the body cannot be read, and the request is answered */
bool RequestHandler::bufferBody(ResponseSender &sender) {
    try {
        if (int failure = body_.buffer()) {
            sender.giveUp(failure, body_.cause());
            return false;
        }
    } catch (const SpoolQuotaExceeded &quota) {
        sender.refuseBody(quota);
        return false;
    } catch (const SystemException &problem) {
        failToBuffer(sender, problem);
        return false;
    }
    return true;
}

void RequestHandler::failToBuffer(ResponseSender &sender, const SystemException &problem) {
    const bool full = problem.error() == ENOSPC || problem.error() == EDQUOT || problem.error() == EFBIG;
    const bool noDescriptor = problem.error() == EMFILE || problem.error() == ENFILE;
    if (noDescriptor) {
        // The next upload finds their descriptors free.
        AgentKeeper::running().closeIdle();
    }
    // httpd does not read the rest of the body then.
    r_->connection->keepalive = AP_CONN_CLOSE;
    sender.fail(full           ? HTTP_INSUFFICIENT_STORAGE
                : noDescriptor ? HTTP_SERVICE_UNAVAILABLE
                               : HTTP_INTERNAL_SERVER_ERROR,
                apr_pstrcat(r_->pool, "the request's body cannot be buffered (PassengerDataBufferDir): ",
                            problem.what(), noDescriptor ? ": " : nullptr, explainDescriptorLimit().c_str(), nullptr));
}

/** With PassengerRollingRestarts Off: if a restart file has changed, the agent restarts the
 *  application before this request goes to its queue. */
void RequestHandler::noticeRestart() {
    const Settings &settings = Settings::of(r_);
    if (settings.rollsRestarts()) {
        return;
    }
    const auto look = RestartLooks::at(route_.appRoot, settings.restartDir.value());
    if (!child_.restartLooks().isNews(route_.appName, look)) {
        return;
    }
    try {
        Child::BorrowedContext context = child_.borrow();
        if ((*context).pool().checkRestart(route_.appName)) {
            child_.restartLooks().settled(route_.appName, look);
        }
    } catch (const std::exception &) {
        // The agent does not answer. If it still does not, the request fails for that. Otherwise
        // the next request asks again.
        return;
    }
}

void RequestHandler::converse(RequestContext &context, ResponseSender &sender) {
    sender.beginExchange();
    MessageSession::Request request;
    request.headRequest = r_->header_only != 0;
    request.takesTrailers = ResponseTrailers::areTaken(r_);
    request.retryable = !body_.present() && (r_->method_number == M_GET || r_->method_number == M_OPTIONS);
    const Options &options = context.optionsFor(r_, route_);
    const Settings &settings = Settings::of(r_);
    request.takesFile = !request.headRequest && settings.answerFiles;
    // A Node application, or one behind a bridge, decides whether to request a body that the client
    // holds back. For a body that has begun to arrive, it is not asked.
    RequestEnvironment::build(
        r_, route_, {body_.present(), body_.contentLength(), body_.awaitsConsent() || !options.startsByBridge()},
        context.environment(), context.path());
    if (context.environment().size() > MAX_ENVIRONMENT) {
        sender.fail(HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, "the request's head is longer than 1 MiB");
        return;
    }
    request.environment = context.environment();
    const char *id = RequestNotes::id(r_);
    request.client = clientOf(r_);
    request.label = {r_->useragent_ip, r_->method, id != nullptr ? id : "", r_->unparsed_uri};
    // The rest of a body that was read before may still be on the connection.
    request.transferable = settings.transferConnections && !body_.present() && !body_.readBefore() &&
                           ConnectionTransfer::obstacle(r_) == nullptr;
    request.streamTransferable =
        request.transferable && !request.headRequest && ConnectionTransfer::bodyFilter(r_) == nullptr;
    request.fairnessHash = fairnessHash(r_);
    request.threads = [&sender] { return sender.threads(); };
    const FileDescriptor file = body_.describe(request);
    if (options.stickySessions) {
        sender.setSticky(options.request.queue.number());
    }
    MessageSessionPtr session = context.pool().get(options);
    if (std::optional<Reply> refusal = start(*session, request)) {
        noteRefusal(*refusal);
        sender.take(*refusal, false);
        return;
    }
    if (request.bodyFollows && !file) {
        sendBody(*session, sender);
    }
    while (!sender.over()) {
        takeReply(*session, sender);
    }
    RequestNotes::setAnswer(r_, *session);
    session->giveUp(sender.end());
}

/** An application without an instance is looked for again. */
void RequestHandler::noteRefusal(const Reply &refusal) {
    if (refusal.status == HTTP_INTERNAL_SERVER_ERROR) {
        child_.startupFiles().notServed(route_.appName);
    }
}

void RequestHandler::sendBody(MessageSession &session, ResponseSender &sender) {
    if (BufferedBody *body = body_.buffered()) {
        sendBuffered(session, sender, *body);
    } else if (bodyIsWanted(session, sender)) {
        sendStreamed(session, sender);
    }
}

/** Starts the request; if the queue is full, once more after a pause. @return the reason of a
 *  refusal */
std::optional<Reply> RequestHandler::start(MessageSession &session, const MessageSession::Request &request) {
    std::optional<Reply> refusal = session.start(request);
    if (!refusal || !refusal->queueFull) {
        return refusal;
    }
    switch (child_.refusalPause().take(clientSocket(r_))) {
        case RefusalPause::Outcome::REFUSE: break;
        case RefusalPause::Outcome::CLIENT_LEFT: refusal->kind = Reply::Kind::CLIENT_LEFT; break;
        case RefusalPause::Outcome::TRY_AGAIN: refusal = session.start(request); break;
    }
    return refusal;
}

void RequestHandler::sendBuffered(MessageSession &session, ResponseSender &sender, BufferedBody &body) {
    bool more = true;
    while (more) {
        const std::string_view block = body.next();
        more = sendBlock(session, sender, block, body.ended()) && !body.ended();
    }
}

/** With `Expect: 100-continue`, httpd tells the client to send at the first read of the body. So
 *  the first read waits until the application reads. @return false: the application has answered
 *  without reading */
bool RequestHandler::bodyIsWanted(MessageSession &session, ResponseSender &sender) {
    while (body_.awaitsConsent() && !bodyAskedFor_ && !answerBegun_ && !sender.over()) {
        takeReply(session, sender);
    }
    if (answerBegun_) {
        session.breakBody();
    }
    return !answerBegun_ && !sender.over();
}

void RequestHandler::sendStreamed(MessageSession &session, ResponseSender &sender) {
    // A stream of HTTP/2 has no socket: its answer goes on when the client sends more.
    const int socket = clientSocket(r_);
    SteadyClock::time_point heard = SteadyClock::now();
    std::string block;
    while (!sender.over()) {
        // An application may answer before it has read everything.
        if (session.replyWaiting()) {
            takeReply(session, sender);
            heard = SteadyClock::now();
            continue;
        }
        // httpd asks the client for the body only in a read that waits.
        if (int failure = readBlock(session, block, socket < 0 || body_.awaitsConsent())) {
            // The session ends without the body's last block, so the application sees that the body
            // is incomplete.
            turbocache_.noteBreak();
            sender.giveUp(failure, body_.cause());
            return;
        }
        if (body_.paused()) {
            if (SteadyClock::now() - heard >= std::chrono::microseconds(r_->server->timeout)) {
                turbocache_.noteBreak();
                sender.giveUp(HTTP_REQUEST_TIME_OUT, APR_TIMEUP);
                return;
            }
            const bool lags = sender.lags();
            session.awaitReply(socket, lags ? MessageSession::Awaited::EITHER : MessageSession::Awaited::BYTES,
                               LONGEST_PAUSE);
            if (lags && sender.passOn(session)) {
                heard = SteadyClock::now();
            }
            continue;
        }
        heard = SteadyClock::now();
        if (!sendBlock(session, sender, block, body_.ended()) || body_.ended()) {
            return;
        }
    }
}

int RequestHandler::readBlock(MessageSession &session, std::string &block, bool waits) {
    const SteadyClock::time_point before = SteadyClock::now();
    const int failure = body_.readBlock(block, waits);
    if (waits) {
        session.excuse(SteadyClock::now() - before);
    }
    return failure;
}

/** @return false: the exchange has ended */
bool RequestHandler::sendBlock(MessageSession &session, ResponseSender &sender, std::string_view block, bool last) {
    while (true) {
        block.remove_prefix(session.sendBody(block, last));
        if (block.empty() && (!last || session.bodyDone())) {
            return true;
        }
        takeReply(session, sender);
        if (sender.over()) {
            return false;
        }
    }
}

void RequestHandler::takeReply(MessageSession &session, ResponseSender &sender) {
    if (!sender.awaitReply(session)) {
        return;
    }
    Reply reply = session.receive(sender.buffer(), clientOf(r_), FOREVER);
    turbocache_.note(reply, session, sender);
    if (reply.kind == Reply::Kind::RESPONSE && Settings::of(r_).serverTiming) {
        sender.setTimes(session.times());
    }
    bodyAskedFor_ = bodyAskedFor_ || (reply.kind == Reply::Kind::INTERIM && reply.status == HTTP_CONTINUE);
    const bool isHead = reply.kind == Reply::Kind::RESPONSE;
    if (isHead) {
        answerBegun_ = true;
        child_.startupFiles().served(route_.appName, route_.appType, route_.startupFile);
    } else if (reply.kind == Reply::Kind::REFUSED) {
        noteRefusal(reply);
    }
    sender.take(reply, !reply.ends() && session.replyWaiting());
    sender.excuseFilters(session);
    if (isHead && sender.beginsEventStream()) {
        keepEventStream(session);
    }
}

/** An event stream that was not given away has no PassengerMaxRequestTime either. */
void RequestHandler::keepEventStream(MessageSession &session) {
    session.excuse(WITHOUT_LIMIT);
    const char *obstacle = ConnectionTransfer::obstacle(r_);
    const char *filter = ConnectionTransfer::bodyFilter(r_);
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r_, "event=stream.kept %s reason=\"%s\" filter=\"%s\"",
                  RequestNotes::subject(r_),
                  obstacle != nullptr ? obstacle
                  : filter != nullptr ? "a filter of httpd may change the answer's body"
                                      : "the application, or PassengerTransferConnections, keeps it",
                  filter != nullptr ? filter : "");
}

}  // namespace Passenger
