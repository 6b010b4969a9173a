#include "bridge/AnswerParser.h"

#include "shm/Layouts.h"

namespace Passenger::Bridge {

namespace {

/** A child takes no more interim answers. */
constexpr std::size_t MOST_INTERIM = 16;
/** Interim answers and trailer fields: they go in one message of a reply channel each. */
constexpr std::size_t LINES_LIMIT = MAX_MESSAGE - sizeof(MessageHeader);

constexpr unsigned SWITCHING_PROTOCOLS = 101;
constexpr unsigned OK = 200;
constexpr unsigned NO_CONTENT = 204;
constexpr unsigned NOT_MODIFIED = 304;

// Results of the on_headers_complete callback.
constexpr int NO_BODY_FOLLOWS = 1;
constexpr int NO_HTTP_FOLLOWS = 2;
constexpr int FAILED = -1;

bool isInterim(unsigned status) {
    return status < 200;
}

}  // namespace

AnswerParser::AnswerParser(Expectation expected) : expected_(expected) {
    // Each call writes the same value for all parsers of the process.
    http_parser_set_max_header_size(MAX_RESPONSE_HEAD);
    http_parser_init(&parser_, HTTP_RESPONSE);
    parser_.data = this;
}

const http_parser_settings &AnswerParser::callbacks() noexcept {
    static const http_parser_settings settings = [] {
        http_parser_settings made{};
        made.on_header_field = [](http_parser *p, const char *at, std::size_t size) {
            return of(p).addName({at, size});
        };
        made.on_header_value = [](http_parser *p, const char *at, std::size_t size) {
            return of(p).addValue({at, size});
        };
        made.on_headers_complete = [](http_parser *p) { return of(p).endHead(); };
        made.on_chunk_header = [](http_parser *p) { return of(p).beginChunk(); };
        made.on_body = [](http_parser *p, const char *at, std::size_t size) { return of(p).addBody({at, size}); };
        made.on_message_complete = [](http_parser *p) { return of(p).endMessage(); };
        return made;
    }();
    return settings;
}

void AnswerParser::feed(std::string_view bytes) {
    if (problem_ != nullptr || bytes.empty()) {
        return;
    }
    if (upgraded_) {
        surplus_ += bytes;
        return;
    }
    if (complete_) {
        reusable_ = false;
        return;
    }
    if (!chunks_.feed(bytes)) {
        fail(chunks_.problem());
        return;
    }
    const std::size_t taken = http_parser_execute(&parser_, &callbacks(), bytes.data(), bytes.size());
    check(bytes.size(), taken);
    if (upgraded_) {
        surplus_ = bytes.substr(taken);
    }
}

void AnswerParser::end() {
    if (problem_ == nullptr && !complete_) {
        // http_parser takes a call with no bytes for the end.
        check(0, http_parser_execute(&parser_, &callbacks(), nullptr, 0));
        if (!complete_ && problem_ == nullptr) {
            problem_ = "the connection was closed before the answer";
        }
    }
    reusable_ = false;
}

void AnswerParser::check(std::size_t fed, std::size_t taken) {
    if (complete_) {
        // Bytes after an answer belong to no request.
        reusable_ = reusable_ && taken == fed;
        return;
    }
    const auto error = HTTP_PARSER_ERRNO(&parser_);
    if (error != HPE_OK && problem_ == nullptr) {
        problem_ = http_errno_description(error);
    }
}

int AnswerParser::fail(const char *problem) noexcept {
    problem_ = problem;
    return FAILED;
}

int AnswerParser::beginChunk() {
    chunks_.begin(parser_.content_length);
    return 0;
}

int AnswerParser::addBody(std::string_view part) {
    body_ += part;
    return !isChunked() || chunks_.add(part) ? 0 : fail(chunks_.problem());
}

int AnswerParser::addName(std::string_view part) {
    return fields_.addName(part) ? 0 : fail("the answer has too many headers");
}

int AnswerParser::addValue(std::string_view part) {
    fields_.addValue(part);
    return 0;
}

int AnswerParser::endHead() {
    if (parser_.http_major != 1) {
        return fail("the answer is not HTTP/1");
    }
    const unsigned status = parser_.status_code;
    if (status < 100 || status > 999) {
        return fail("the answer's status is not from 100 to 999");
    }
    if (status == SWITCHING_PROTOCOLS && !expected_.upgrade) {
        return fail("the answer switches to a protocol that the client did not ask for");
    }
    if (const char *problem = fields_.problemOfCharacters()) {
        return fail(problem);
    }
    if (const char *problem = fields_.problemOfLength(parser_.content_length)) {
        return fail(problem);
    }
    if (status == SWITCHING_PROTOCOLS) {
        return endUpgrade();
    }
    if (isInterim(status)) {
        return endInterim();
    }
    head_ = {status, fields_.lines({.length = status != NO_CONTENT, .trailer = isChunked()})};
    isEventStream_ = status == OK && (parser_.flags & F_CONTENTLENGTH) == 0 && fields_.areOfEventStream();
    keptFor_ = fields_.keepAliveTime();
    fields_.clear();
    if (head_.lines.size() > MAX_RESPONSE_HEAD) {
        return fail("the answer's head is longer than 128 KiB");
    }
    hasHead_ = true;
    const bool noBody = expected_.bodiless || status == NO_CONTENT || status == NOT_MODIFIED;
    const bool announces =
        (parser_.flags & F_CHUNKED) != 0 || ((parser_.flags & F_CONTENTLENGTH) != 0 && parser_.content_length > 0);
    mayStillCome_ = noBody && announces;
    untilClose_ = !noBody && (parser_.flags & (F_CHUNKED | F_CONTENTLENGTH)) == 0;
    return noBody ? NO_BODY_FOLLOWS : 0;
}

int AnswerParser::endUpgrade() {
    const std::string *protocol = fields_.find("Upgrade");
    if (protocol == nullptr) {
        return fail("the answer switches to a protocol without naming it");
    }
    head_ = {SWITCHING_PROTOCOLS, fields_.lines({}) + "Upgrade: " + *protocol + "\r\n"};
    if (head_.lines.size() > MAX_RESPONSE_HEAD) {
        return fail("the answer's head is longer than 128 KiB");
    }
    hasHead_ = upgraded_ = true;
    return NO_HTTP_FOLLOWS;
}

int AnswerParser::endInterim() {
    Head head{parser_.status_code, fields_.lines({})};
    fields_.clear();
    if (++interimCount_ > MOST_INTERIM) {
        return fail("the application sent too many interim answers");
    }
    if (head.lines.size() > LINES_LIMIT) {
        return fail("the head of an interim answer is longer than 64 KiB");
    }
    interim_.push_back(std::move(head));
    return NO_BODY_FOLLOWS;
}

/** Fields about the connection or the length have no effect there, and are left out. */
const char *AnswerParser::takeTrailers() {
    if (const char *problem = fields_.problemOfCharacters()) {
        return problem;
    }
    trailers_ = fields_.lines({});
    return trailers_.size() > LINES_LIMIT ? "the trailer fields are longer than 64 KiB" : nullptr;
}

int AnswerParser::endMessage() {
    // An interim answer ends as a message, too.
    if (hasHead_) {
        if (const char *problem = takeTrailers()) {
            return fail(problem);
        }
        complete_ = true;
        reusable_ = !upgraded_ && !mayStillCome_ && http_should_keep_alive(&parser_) != 0;
        http_parser_pause(&parser_, 1);
    }
    return 0;
}

}  // namespace Passenger::Bridge
