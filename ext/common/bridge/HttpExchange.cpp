#include "bridge/HttpExchange.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/WholeNumber.h"
#include "bridge/EventLog.h"
#include "io/SocketPair.h"

namespace Passenger::Bridge {

namespace {

using std::chrono::steady_clock;

/** An application may wait for the body without sending 100 (RFC 9110, section 10.1.1). */
constexpr std::chrono::seconds SILENCE{1};
/** How long an application may refuse connections before the request fails. */
constexpr std::chrono::seconds REFUSING_FOR{3};
/** A server that takes longer to accept a connection has not ended. */
constexpr std::chrono::milliseconds PROBE_LIMIT{100};
/** The bytes of one read fit into one message on the reply channel, unless a head is there. */
constexpr std::size_t READ_SIZE = MAX_MESSAGE - sizeof(MessageHeader);

constexpr unsigned CONTINUE = 100;
constexpr unsigned BAD_REQUEST = 400;
constexpr unsigned BAD_GATEWAY = 502;

/** The first field of a log line about the request, with a space behind it; empty: it has no id. */
std::string requestOf(const RequestFields &fields) {
    const std::string_view id = fields["PASSENGER_REQUEST_ID"];
    return id.empty() ? std::string() : fmt::format("request=\"{}\" ", id);
}

}  // namespace

bool HttpExchange::proceed(const Events &events, std::span<char> buffer) {
    switch (stage_) {
        case Stage::START:
            decideFraming();
            stage_ == Stage::FRAMING ? takeFirstBytes(buffer) : begin();
            break;
        case Stage::FRAMING: takeFirstBytes(buffer); break;
        case Stage::CONNECTING: connect(); break;
        case Stage::CONVERSING: converse(events, buffer); break;
        case Stage::AWAITING_DEATH: endNotice(); break;
        case Stage::PROBING: probe(); break;
        case Stage::OVER: break;
    }
    return stage_ != Stage::OVER;
}

HttpExchange::Wants HttpExchange::wants() const {
    switch (stage_) {
        case Stage::START:
        case Stage::FRAMING: return {{0, EPOLLIN}};
        case Stage::CONNECTING:
        case Stage::PROBING: return {{EPOLLOUT, 0}, parts_.connection.nextLook()};
        case Stage::CONVERSING: {
            const std::uint32_t sends = hasOutput() || hasBody() ? EPOLLOUT : 0U;
            return {{EPOLLIN | EPOLLRDHUP | sends, wantsBody() ? EPOLLIN : 0U}, endOfPatience()};
        }
        case Stage::AWAITING_DEATH: return {{}, noticeUntil_};
        case Stage::OVER: break;
    }
    return {};
}

/**
 * httpd removes the client's framing. A filter that removes a coding (mod_deflate) changes the
 * length, too.
 */
void HttpExchange::decideFraming() {
    using Kind = BodyFraming::Kind;
    if (parts_.source == nullptr) {
        framing_ = {mayHaveBody() || !parts_.body.empty() ? Kind::LENGTH : Kind::NONE, parts_.body.size()};
        return;
    }
    bodyDone_ = false;
    const bool expects = parts_.fields.has("HTTP_EXPECT");
    const auto length = wholeNumber<std::uint64_t>(parts_.fields["CONTENT_LENGTH"]);
    if (length && !parts_.fields.has("HTTP_CONTENT_ENCODING")) {
        framing_ = {Kind::LENGTH, *length, expects};
        bodyLeft_ = *length;
    } else if (expects && parts_.fields.has("HTTP_TRANSFER_ENCODING")) {
        framing_ = {Kind::CHUNKED, 0, true};
    }
    mustAskForBody_ = framing_.onlyIfAsked;
    if (framing_.kind != Kind::NONE) {
        return;
    }
    if (expects) {
        // The child may wait for this before it sends the body.
        parts_.reply.interim(CONTINUE, "");
    }
    framing_.kind = BodyFraming::Kind::CHUNKED;
    stage_ = Stage::FRAMING;
}

/** The messages that follow may have only the rest of a long environment, and no body. */
void HttpExchange::takeFirstBytes(std::span<char> buffer) {
    std::string_view first;
    while (first.empty() && (parts_.source->hasUnread() || !parts_.source->ended())) {
        first = parts_.source->receive(buffer);
        if (first.empty() && !parts_.source->hasUnread() && !parts_.source->ended()) {
            return;
        }
    }
    bodyDone_ = first.empty();
    if (bodyDone_) {
        framing_.kind = mayHaveBody() ? BodyFraming::Kind::LENGTH : BodyFraming::Kind::NONE;
    } else {
        addToBody(first);
        noteEndOfBody();
    }
    begin();
}

/** Puts the start of the request into the output, and connects. */
void HttpExchange::begin() {
    const std::optional<std::string> head = parts_.toNode
                                                ? RequestHead::writeForNode(parts_.fields, framing_)
                                                : RequestHead::write(parts_.fields, framing_, takesTrailers());
    if (!head) {
        EventLog::complain("request.refused",
                           requestOf(parts_.fields) + "reason=\"the request cannot be written as HTTP\"");
        fail(BAD_REQUEST, "Bad Request");
        return;
    }
    if (ended_) {
        // Another attempt, on a new connection.
        parts_.connection.close();
        output_.clear();
        outputAt_ = 0;
        ended_ = takesNoMore_ = false;
        endError_ = 0;
    }
    output_.insert(0, *head);
    if (parts_.source == nullptr) {
        output_ += parts_.body;
    }
    refusingUntil_ = steady_clock::now() + REFUSING_FOR;
    connect();
}

/** The request can be sent twice. */
bool HttpExchange::isSafe() const {
    return RequestHead::isSafe(parts_.fields) && framing_.kind == BodyFraming::Kind::NONE;
}

void HttpExchange::connect() {
    stage_ = Stage::CONNECTING;
    switch (parts_.connection.open(isSafe())) {
        case AppConnection::State::PENDING: return;
        case AppConnection::State::FAILED:
            refusal_ = errno;
            awaitDeath(&HttpExchange::connectAgain);
            return;
        case AppConnection::State::OPEN: break;
    }
    stage_ = Stage::CONVERSING;
    answer_ = std::make_unique<AnswerParser>(AnswerParser::Expectation{
        parts_.fields["REQUEST_METHOD"] == "HEAD", RequestHead::wantsUpgrade(parts_.fields, framing_)});
    silentUntil_ = steady_clock::now() + SILENCE;
    sendOutput();
}

/**
 * Retries for REFUSING_FOR. A refused connection can mean that the application is ending. Then this
 * process ends, too, and a repeatable request goes to another instance.
 */
void HttpExchange::connectAgain() {
    if (AppAddress::isRefusal(refusal_) && steady_clock::now() < refusingUntil_) {
        connect();
        return;
    }
    EventLog::complain("application.unreachable", fmt::format("error=\"{}\"", strerror(refusal_)));
    fail(BAD_GATEWAY, "Bad Gateway");
}

void HttpExchange::awaitDeath(Step next) {
    stage_ = Stage::AWAITING_DEATH;
    noticeUntil_ = steady_clock::now() + Relay::DEATH_NOTICE;
    next_ = next;
}

/** The agent, not the bridge, reports a request that the application has lost by its death. */
void HttpExchange::endNotice() {
    if (steady_clock::now() < noticeUntil_) {
        return;
    }
    if (parts_.relays.applicationLives()) {
        stage_ = Stage::CONVERSING;
        (this->*next_)();
    } else {
        awaitDeath(next_);
    }
}

void HttpExchange::converse(const Events &events, std::span<char> buffer) {
    if ((events.connection & ~std::uint32_t{EPOLLOUT}) != 0) {
        readAnswer(buffer);
    }
    if (stage_ != Stage::CONVERSING) {
        return;
    }
    if ((events.connection & EPOLLOUT) != 0) {
        sendOutput();
    }
    if (hasBody() || ((events.channel & EPOLLIN) != 0 && wantsBody())) {
        takeBody(buffer);
        sendOutput();
    }
    const auto end = endOfPatience();
    if (end && *end <= steady_clock::now()) {
        breakSilence();
    }
}

/** The end of the time for which the application may be silent while the client was not asked for
 *  the body, if there is a limit. */
std::optional<steady_clock::time_point> HttpExchange::endOfPatience() const {
    const bool waits = mustAskForBody_ && (!parts_.reply.started() || takesNoMore_);
    return waits ? std::optional(silentUntil_) : std::nullopt;
}

/**
 * The application waits for the body. If the answer has not begun, the client is asked for the
 * body. Otherwise the client sends no body, and the body ends here. The body does not end when the
 * answer begins, because Node would stop the answer.
 */
void HttpExchange::breakSilence() {
    mustAskForBody_ = false;
    if (parts_.reply.started()) {
        shutdown(parts_.connection.descriptor(), SHUT_WR);
    } else {
        parts_.reply.interim(CONTINUE, "");
    }
}

void HttpExchange::takeBody(std::span<char> buffer) {
    std::string_view bytes;
    try {
        bytes = parts_.source->receive(buffer);
    } catch (const BodyBrokenOff &) {
        if (!mustAskForBody_ || !parts_.reply.started()) {
            throw;
        }
        // The application answers without the body, so the child does not ask its client.
        takesNoMore_ = true;
        return;
    }
    if (!bytes.empty()) {
        mustAskForBody_ = false;
        addToBody(bytes);
    }
    noteEndOfBody();
}

void HttpExchange::noteEndOfBody() {
    if (!parts_.source->ended() || parts_.source->hasUnread()) {
        return;
    }
    if (bodyLeft_ > 0) {
        throw BodyBrokenOff();
    }
    if (framing_.kind == BodyFraming::Kind::CHUNKED) {
        output_ += "0\r\n\r\n";
    }
    bodyDone_ = true;
}

void HttpExchange::addToBody(std::string_view bytes) {
    if (framing_.kind == BodyFraming::Kind::CHUNKED) {
        output_ += fmt::format("{:x}\r\n", bytes.size());
        output_ += bytes;
        output_ += "\r\n";
        return;
    }
    // Bytes beyond the length that the client gave are cut.
    bytes = bytes.substr(0, bodyLeft_);
    output_ += bytes;
    bodyLeft_ -= bytes.size();
}

void HttpExchange::sendOutput() {
    if (!hasOutput()) {
        return;
    }
    const ssize_t sent = send(parts_.connection.descriptor(), output_.data() + outputAt_, output_.size() - outputAt_,
                              MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
        takesNoMore_ = errno != EAGAIN && errno != EINTR;
        // The kernel reports a reset once: the next recv() finds an end.
        endError_ = errno == ECONNRESET ? errno : endError_;
        return;
    }
    outputAt_ += static_cast<std::size_t>(sent);
    if (outputAt_ == output_.size()) {
        output_.clear();
        outputAt_ = 0;
    }
}

void HttpExchange::readAnswer(std::span<char> buffer) {
    const ssize_t size = recv(parts_.connection.descriptor(), buffer.data(), READ_SIZE, MSG_DONTWAIT);
    if (size > 0) {
        hasAnswerBytes_ = true;
        if (mustAskForBody_) {
            silentUntil_ = steady_clock::now() + SILENCE;
        }
        answer_->feed({buffer.data(), static_cast<std::size_t>(size)});
    } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
        ended_ = true;
        endError_ = size == 0 ? endError_ : errno;
    }
    if (!ended_ || endError_ != 0) {
        // A reset is no end of the answer.
        passOn();
    } else if (answer_->untilClose()) {
        // The kernel closes the connections of a killed process in order.
        awaitDeath(&HttpExchange::endAnswer);
    } else {
        endAnswer();
    }
}

void HttpExchange::endAnswer() {
    answer_->end();
    passOn();
}

void HttpExchange::passOn() {
    sendAnswer();
    if (answer_ && !answer_->complete() && answer_->problem() == nullptr && !ended_) {
        return;
    }
    mayBeSentAgain() ? begin() : conclude();
}

void HttpExchange::sendAnswer() {
    for (const auto &interim : answer_->takeInterim()) {
        mustAskForBody_ = mustAskForBody_ && interim.status != CONTINUE;
        parts_.reply.interim(interim.status, interim.lines);
    }
    if (!answer_->hasHead() || answer_->problem() != nullptr) {
        return;
    }
    if (answer_->upgraded()) {
        if (giveAwayUpgrade()) {
            return;
        }
        parts_.reply.handOver(parts_.connection.release(), answer_->head().status, answer_->head().lines,
                              answer_->surplus());
        return;
    }
    if (giveAwayStream()) {
        return;
    }
    const std::string body = answer_->takeBody();
    const bool trailersFollow = answer_->complete() && takesTrailers() && !answer_->trailers().empty();
    const bool last = answer_->complete() && !trailersFollow;
    if (parts_.reply.started()) {
        parts_.reply.data(body, last);
    } else {
        parts_.reply.respond(answer_->head().status, answer_->head().lines, body, last);
    }
    if (trailersFollow) {
        parts_.reply.trailers(answer_->trailers());
    }
}

bool HttpExchange::giveAwayUpgrade() {
    return (parts_.flags & TRANSFERABLE) != 0 && giveAway(answer_->head().lines, false);
}

/** An answer that has ended stays with httpd. */
bool HttpExchange::mayBeStream() const {
    return (parts_.flags & STREAM_TRANSFERABLE) != 0 && answer_->isEventStream() && !answer_->complete() && !ended_ &&
           !parts_.reply.started() && bodyDone_ && !hasOutput();
}

bool HttpExchange::giveAwayStream() {
    if (!mayBeStream()) {
        return false;
    }
    const std::string lines = answer_->head().lines + "Transfer-Encoding: chunked\r\n";
    return lines.size() <= MAX_RESPONSE_HEAD && giveAway(lines, true);
}

/**
 * The Relays get the client's own socket and the connection to the application. False: nothing was
 * sent, and httpd passes the bytes on.
 */
bool HttpExchange::giveAway(std::string_view lines, bool isStream) {
    DescriptorPair pair;
    try {
        pair = parts_.relays.hasRoom() ? makeStreamPair() : DescriptorPair();
    } catch (const SystemException &) {
        return false;
    }
    if (!pair.first || !parts_.reply.hijack(pair.second, WANTS_CLIENT)) {
        return false;
    }
    parts_.reply.respond(answer_->head().status, lines, "", true);
    const std::string first = isStream ? answer_->takeBody() : answer_->surplus();
    parts_.relays.add(FileDescriptor::foreign(pair.first.release()), parts_.connection.release(), first,
                      isStream ? std::move(answer_) : nullptr);
    answer_.reset();
    return true;
}

/** The application closed a kept connection at the moment when the request was sent. */
bool HttpExchange::mayBeSentAgain() const {
    return answer_ && ended_ && !hasAnswerBytes_ && parts_.connection.kept() && isSafe();
}

void HttpExchange::conclude() {
    stage_ = Stage::OVER;
    if (!answer_) {
        return;
    }
    if (answer_->complete()) {
        const bool clean = answer_->reusable() && bodyDone_ && output_.empty() && !takesNoMore_ && !ended_;
        clean ? parts_.connection.keep(answer_->keptFor()) : parts_.connection.close();
        return;
    }
    parts_.connection.close();
    if (ended_) {
        awaitDeath(&HttpExchange::awaitEndOfServer);
    } else {
        refuseAnswer();
    }
}

/**
 * A server of several processes may break a connection off a moment before it ends (gunicorn, whose
 * application cannot be imported). This process ends meanwhile, and another instance gets the
 * request. A server that still listens, or does not answer at once, has broken this request off
 * only.
 */
void HttpExchange::awaitEndOfServer() {
    refusingUntil_ = steady_clock::now() + REFUSING_FOR;
    probe();
}

void HttpExchange::probe() {
    if (!hasAnswerBytes_ && isSafe() && steady_clock::now() < refusingUntil_) {
        stage_ = Stage::PROBING;
        const AppConnection::State state = parts_.connection.open(false, PROBE_LIMIT);
        if (state == AppConnection::State::PENDING) {
            return;
        }
        if (state == AppConnection::State::FAILED && AppAddress::isRefusal(errno)) {
            awaitDeath(&HttpExchange::probe);
            return;
        }
        parts_.connection.close();
    }
    refuseAnswer();
}

void HttpExchange::refuseAnswer() {
    const char *problem = answer_->problem() != nullptr ? answer_->problem() : "the connection was reset";
    EventLog::complain("answer.refused",
                       requestOf(parts_.fields) + fmt::format("reason=\"{}\" method={} path={}", problem,
                                                              EventLog::inQuotes(parts_.fields["REQUEST_METHOD"]),
                                                              EventLog::inQuotes(parts_.fields["PATH_INFO"])));
    fail(BAD_GATEWAY, "Bad Gateway");
}

void HttpExchange::fail(unsigned status, std::string_view text) {
    stage_ = Stage::OVER;
    parts_.reply.fail(status, text);
}

}  // namespace Passenger::Bridge
