#include "bridge/HttpExchange.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/Poll.h"
#include "base/WholeNumber.h"
#include "bridge/EventLog.h"
#include "io/SocketPair.h"

namespace Passenger::Bridge {

namespace {

/** An application may wait for the body without sending 100 (RFC 9110, section 10.1.1). */
constexpr std::chrono::seconds SILENCE{1};
/** How long an application may refuse connections before the request fails. */
constexpr std::chrono::seconds REFUSING_FOR{3};

constexpr unsigned CONTINUE = 100;
constexpr unsigned BAD_REQUEST = 400;
constexpr unsigned BAD_GATEWAY = 502;

/** The first field of a log line about the request, with a space behind it; empty: it has no id. */
std::string requestOf(const RequestFields &fields) {
    const std::string_view id = fields["PASSENGER_REQUEST_ID"];
    return id.empty() ? std::string() : fmt::format("request=\"{}\" ", id);
}

}  // namespace

void HttpExchange::run(std::span<char> buffer) {
    decideFraming();
    do {
        if (!begin()) {
            return;
        }
        converse(buffer);
    } while (mayBeSentAgain());
    conclude();
}

void HttpExchange::goOn(std::span<char> buffer) {
    if (ended_) {
        noteEnd();
    }
    passOn();
    converse(buffer);
    while (mayBeSentAgain()) {
        if (!begin()) {
            return;
        }
        converse(buffer);
    }
    conclude();
}

bool HttpExchange::prepare() {
    decideFraming();
    const std::optional<std::string> head = this->head();
    if (!head || !parts_.connection.reuse(isSafe())) {
        return false;
    }
    setUp(*head);
    return true;
}

bool HttpExchange::proceed(std::span<char> buffer) {
    const ssize_t size = receive(buffer);
    if (size < 0 && !ended_) {
        return true;
    }
    mustWait_ = ended_ || isGivenAway();
    if (mustWait_) {
        return true;
    }
    passOn();
    mustWait_ = answer_->problem() != nullptr;
    if (mustWait_ || !answer_->complete()) {
        return true;
    }
    conclude();
    return false;
}

/**
 * httpd removes the client's framing. A filter that removes a coding (mod_deflate) changes the
 * length, too.
 */
void HttpExchange::decideFraming() {
    using Kind = BodyFraming::Kind;
    const bool mayHaveBody = parts_.fields.has("CONTENT_LENGTH") || parts_.fields.has("HTTP_TRANSFER_ENCODING");
    if (parts_.source == nullptr) {
        framing_ = {mayHaveBody || !parts_.body.empty() ? Kind::LENGTH : Kind::NONE, parts_.body.size()};
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
    decideByFirstBytes();
    if (bodyDone_) {
        framing_.kind = mayHaveBody ? Kind::LENGTH : Kind::NONE;
    }
}

/** The messages that follow may have only the rest of a long environment, and no body. */
void HttpExchange::decideByFirstBytes() {
    framing_.kind = BodyFraming::Kind::CHUNKED;
    std::string_view first;
    while (first.empty() && (parts_.source->hasUnread() || !parts_.source->ended())) {
        first = parts_.source->receive();
    }
    bodyDone_ = first.empty();
    if (!bodyDone_) {
        addToBody(first);
    }
}

std::optional<std::string> HttpExchange::head() const {
    return parts_.toNode ? RequestHead::writeForNode(parts_.fields, framing_)
                         : RequestHead::write(parts_.fields, framing_, takesTrailers());
}

/**
 * Retries for REFUSING_FOR. A refused connection can mean that the application is ending. Then this
 * process ends, too, and a repeatable request goes to another instance. @return false, with errno:
 * no connection
 */
bool HttpExchange::connect() {
    const auto deadline = std::chrono::steady_clock::now() + REFUSING_FOR;
    while (!parts_.connection.open(isSafe())) {
        const int error = errno;
        parts_.awaitDeath();
        dropIfClientGone();
        const bool refused = AppAddress::isRefusal(error);
        if (!refused || std::chrono::steady_clock::now() >= deadline) {
            errno = error;
            return false;
        }
    }
    return true;
}

/** Ends a request without an answer whose client has left. @throws ClientGone */
void HttpExchange::dropIfClientGone() const {
    pollfd entry{parts_.channel.end.get(), 0, 0};
    if (poll(&entry, 1, 0) > 0 && (entry.revents & (POLLHUP | POLLERR)) != 0) {
        throw ClientGone();
    }
}

/** Connects, and sets the request up. False: it was answered. */
bool HttpExchange::begin() {
    const std::optional<std::string> head = this->head();
    if (!head) {
        EventLog::write("request.refused",
                        requestOf(parts_.fields) + "reason=\"the request cannot be written as HTTP\"");
        parts_.reply.fail(BAD_REQUEST, "Bad Request");
        return false;
    }
    if (ended_) {
        // Another attempt, on a new connection.
        parts_.connection.close();
        output_.clear();
        outputAt_ = 0;
        ended_ = takesNoMore_ = false;
        endError_ = 0;
    }
    if (!connect()) {
        const int error = errno;
        EventLog::write("application.unreachable", fmt::format("error=\"{}\"", strerror(error)));
        parts_.reply.fail(BAD_GATEWAY, "Bad Gateway");
        return false;
    }
    setUp(*head);
    return true;
}

/** Puts the start of the request into the output. */
void HttpExchange::setUp(const std::string &head) {
    output_.insert(0, head);
    if (parts_.source == nullptr) {
        output_ += parts_.body;
    }
    answer_ = std::make_unique<AnswerParser>(AnswerParser::Expectation{
        parts_.fields["REQUEST_METHOD"] == "HEAD", RequestHead::wantsUpgrade(parts_.fields, framing_)});
    silentUntil_ = std::chrono::steady_clock::now() + SILENCE;
}

/** The request can be sent twice. */
bool HttpExchange::isSafe() const {
    return RequestHead::isSafe(parts_.fields) && framing_.kind == BodyFraming::Kind::NONE;
}

void HttpExchange::converse(std::span<char> buffer) {
    if (hasOutput()) {
        // A kept connection has room.
        sendOutput();
    }
    while (answer_ && !answer_->complete() && answer_->problem() == nullptr && !ended_) {
        waitForEither(buffer);
    }
}

void HttpExchange::waitForEither(std::span<char> buffer) {
    if (wantsBody() && parts_.source->hasUnread()) {
        takeBody();
    }
    const bool takesBody = wantsBody();
    pollfd entries[2] = {
        {parts_.connection.descriptor(), static_cast<short>(hasOutput() ? POLLIN | POLLOUT : POLLIN), 0},
        {parts_.channel.end.get(), static_cast<short>(takesBody ? POLLIN : 0), 0}};
    const int ready = poll(entries, 2, patience());
    if (ready < 0) {
        if (errno != EINTR) {
            throw SystemException("poll", errno);
        }
        return;
    }
    if (ready == 0) {
        breakSilence();
        return;
    }
    if ((entries[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
        readAnswer(buffer);
    }
    if ((entries[0].revents & POLLOUT) != 0) {
        sendOutput();
    }
    if (entries[1].revents != 0) {
        if (!takesBody) {
            throw ClientGone();
        }
        takeBody();
    }
}

/**
 * Milliseconds for which the application may be silent while the client was not asked for the body;
 * -1: no limit.
 */
int HttpExchange::patience() const {
    if (!mustAskForBody_ || (parts_.reply.started() && !takesNoMore_)) {
        return -1;
    }
    return millisecondsUntil(silentUntil_);
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

void HttpExchange::takeBody() {
    std::string_view bytes;
    try {
        bytes = parts_.source->receive();
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
    receive(buffer);
    if (ended_) {
        noteEnd();
    }
    passOn();
}

/** Gives bytes to the parser. Below 0: there are none, or the connection was reset. */
ssize_t HttpExchange::receive(std::span<char> buffer) {
    const ssize_t size = recv(parts_.connection.descriptor(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size > 0) {
        hasAnswerBytes_ = true;
        if (mustAskForBody_) {
            silentUntil_ = std::chrono::steady_clock::now() + SILENCE;
        }
        answer_->feed({buffer.data(), static_cast<std::size_t>(size)});
    } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
        ended_ = true;
        endError_ = size == 0 ? endError_ : errno;
    }
    return size;
}

/** The end may be that of the answer. A reset is none. */
void HttpExchange::noteEnd() {
    if (endError_ != 0) {
        return;
    }
    if (answer_->untilClose()) {
        // The kernel closes the connections of a killed process in order.
        parts_.awaitDeath();
    }
    answer_->end();
}

/** The answer's connection goes to the client, or to the Relays. */
bool HttpExchange::isGivenAway() const {
    return answer_->hasHead() && (answer_->upgraded() || mayBeStream());
}

void HttpExchange::passOn() {
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
        parts_.reply.handOver(parts_.connection.descriptor(), answer_->head().status, answer_->head().lines,
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
    if (!pair.first || !parts_.reply.hijack(pair.second.get(), WANTS_CLIENT)) {
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
    return answer_ && ended_ && !hasAnswerBytes_ && parts_.connection.kept() &&
           framing_.kind == BodyFraming::Kind::NONE && RequestHead::isSafe(parts_.fields);
}

/**
 * A server of several processes may break a connection off a moment before it ends (gunicorn, whose
 * application cannot be imported). This process ends meanwhile, and another instance gets the
 * request. A server that still listens, or does not answer at once, has broken this request off
 * only.
 */
void HttpExchange::awaitEndOfServer() {
    const auto deadline = std::chrono::steady_clock::now() + REFUSING_FOR;
    while (!hasAnswerBytes_ && isSafe() && std::chrono::steady_clock::now() < deadline &&
           parts_.connection.isRefused()) {
        parts_.awaitDeath();
        dropIfClientGone();
    }
}

void HttpExchange::conclude() {
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
        parts_.awaitDeath();
        awaitEndOfServer();
    }
    const char *problem = answer_->problem() != nullptr ? answer_->problem() : "the connection was reset";
    EventLog::write("answer.refused",
                    requestOf(parts_.fields) + fmt::format("reason=\"{}\" method={} path={}", problem,
                                                           EventLog::inQuotes(parts_.fields["REQUEST_METHOD"]),
                                                           EventLog::inQuotes(parts_.fields["PATH_INFO"])));
    parts_.reply.fail(BAD_GATEWAY, "Bad Gateway");
}

}  // namespace Passenger::Bridge
