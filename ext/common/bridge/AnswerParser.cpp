#include "bridge/AnswerParser.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <system_error>

#include "base/HttpText.h"
#include "base/Split.h"
#include "shm/Layouts.h"

namespace Passenger::Bridge {

namespace {

/** A child takes no more interim answers. */
constexpr std::size_t MOST_INTERIM = 16;
constexpr std::size_t MOST_HEADERS = 2000;
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

/** Whether the text of the header is the length that http_parser read from it. */
bool isLength(std::string_view value, std::uint64_t length) {
    value = HttpText::trim(value);
    while (value.size() > 1 && value.front() == '0') {
        value.remove_prefix(1);
    }
    return length <= INT64_MAX && value == std::to_string(length);
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
    if (!endsChunk(bytes)) {
        return;
    }
    fed_ = bytes;
    const std::size_t taken = http_parser_execute(&parser_, &callbacks(), bytes.data(), bytes.size());
    lastFed_ = bytes.back();
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
    chunkLeft_ = parser_.content_length;
    chunkBegins_ = chunkLeft_ > 0;
    return 0;
}

/**
 * http_parser, as distributions build it, takes any two bytes for the line end behind a chunk, and
 * any byte for the second one of the line end before it. So the length of the chunk could be wrong.
 */
int AnswerParser::addBody(std::string_view part) {
    body_ += part;
    if ((parser_.flags & F_CHUNKED) == 0) {
        return 0;
    }
    const auto at = static_cast<std::size_t>(part.data() - fed_.data());
    if (std::exchange(chunkBegins_, false) && (at > 0 ? fed_[at - 1] : lastFed_) != '\n') {
        return fail("the size of a chunk does not end with a line end");
    }
    chunkLeft_ -= part.size();
    if (chunkLeft_ > 0) {
        return 0;
    }
    chunkEndLeft_ = 2;
    return endsChunk(fed_.substr(at + part.size())) ? 0 : FAILED;
}

/** Checks the bytes that belong to the line end behind the chunk, if it has not come yet. */
bool AnswerParser::endsChunk(std::string_view bytes) {
    constexpr std::string_view END = "\r\n";
    const std::string_view expected = END.substr(END.size() - chunkEndLeft_);
    const std::string_view found = bytes.substr(0, expected.size());
    chunkEndLeft_ -= found.size();
    if (!expected.starts_with(found)) {
        fail("a chunk does not end with a line end");
    }
    return problem_ == nullptr;
}

int AnswerParser::addName(std::string_view part) {
    if (inValue_ || headers_.empty()) {
        if (headers_.size() == MOST_HEADERS) {
            return fail("the answer has too many headers");
        }
        headers_.emplace_back();
        inValue_ = false;
    }
    headers_.back().first += part;
    return 0;
}

int AnswerParser::addValue(std::string_view part) {
    inValue_ = true;
    headers_.back().second += part;
    return 0;
}

const char *AnswerParser::checkCharacters() const {
    for (const auto &[name, value] : headers_) {
        if (!HttpText::isToken(name)) {
            return "a header's name has a character that is not allowed";
        }
        if (!HttpText::isValue(value)) {
            return "a header's value has a control character";
        }
    }
    return nullptr;
}

const char *AnswerParser::checkHeaders() const {
    if (const char *problem = checkCharacters()) {
        return problem;
    }
    bool coded = false;
    bool measured = false;
    for (const auto &[name, value] : headers_) {
        if (HttpText::equalsIgnoringCase(name, "Transfer-Encoding")) {
            if (coded || !HttpText::equalsIgnoringCase(HttpText::trim(value), "chunked")) {
                return "the answer's body has a transfer coding other than chunked";
            }
            coded = true;
        }
        if (HttpText::equalsIgnoringCase(name, "Content-Length")) {
            if (measured || !isLength(value, parser_.content_length)) {
                return "the answer's Content-Length is not a length";
            }
            measured = true;
        }
    }
    return coded && measured ? "the answer has a Content-Length and a transfer coding" : nullptr;
}

bool AnswerParser::areOfEventStream() const {
    bool matches = false;
    for (const auto &[name, value] : headers_) {
        if (HttpText::equalsIgnoringCase(name, "Content-Encoding") || HttpText::equalsIgnoringCase(name, "Trailer")) {
            return false;
        }
        if (HttpText::equalsIgnoringCase(name, "Content-Type")) {
            const std::string_view type = std::string_view(value).substr(0, value.find(';'));
            matches = HttpText::equalsIgnoringCase(HttpText::trim(type), "text/event-stream");
        }
    }
    return matches;
}

/** The timeout of `Keep-Alive: timeout=5, max=1000`. */
std::chrono::seconds AnswerParser::announcedTime() const {
    constexpr std::string_view TIMEOUT = "timeout=";
    for (const auto &[name, value] : headers_) {
        if (!HttpText::equalsIgnoringCase(name, "Keep-Alive")) {
            continue;
        }
        for (const std::string &item : split(value, ',')) {
            const std::string_view text = HttpText::trim(item);
            unsigned seconds = 0;
            if (HttpText::equalsIgnoringCase(text.substr(0, TIMEOUT.size()), TIMEOUT) &&
                std::from_chars(text.data() + TIMEOUT.size(), text.data() + text.size(), seconds).ec == std::errc()) {
                return std::chrono::seconds(seconds);
            }
        }
    }
    return std::chrono::seconds(0);
}

std::string AnswerParser::linesFor(Section section) const {
    const bool hasLength = section == Section::HEAD && parser_.status_code != NO_CONTENT;
    const bool announces = section == Section::HEAD && (parser_.flags & F_CHUNKED) != 0;
    const auto nominated = [this](const std::string &name) {
        return std::any_of(headers_.begin(), headers_.end(), [&name](const auto &header) {
            return HttpText::equalsIgnoringCase(header.first, "Connection") && HttpText::listHas(header.second, name);
        });
    };
    std::string lines;
    for (const auto &[name, value] : headers_) {
        const bool isLength = HttpText::equalsIgnoringCase(name, "Content-Length");
        const bool announcement = announces && HttpText::equalsIgnoringCase(name, "Trailer");
        if ((HttpText::isHopByHop(name) && !announcement) || (isLength ? !hasLength : nominated(name))) {
            continue;
        }
        lines.append(name).append(": ").append(HttpText::trim(value)).append("\r\n");
    }
    return lines;
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
    if (const char *problem = checkHeaders()) {
        return fail(problem);
    }
    if (status == SWITCHING_PROTOCOLS) {
        return endUpgrade();
    }
    if (isInterim(status)) {
        return endInterim();
    }
    head_ = {status, linesFor(Section::HEAD)};
    isEventStream_ = status == OK && (parser_.flags & F_CONTENTLENGTH) == 0 && areOfEventStream();
    keptFor_ = announcedTime();
    headers_.clear();
    if (head_.lines.size() > MAX_RESPONSE_HEAD) {
        return fail("the answer's head is longer than 128 KiB");
    }
    hasHead_ = true;
    const bool noBody = expected_.bodiless || status == NO_CONTENT || status == NOT_MODIFIED;
    untilClose_ = !noBody && (parser_.flags & (F_CHUNKED | F_CONTENTLENGTH)) == 0;
    return noBody ? NO_BODY_FOLLOWS : 0;
}

int AnswerParser::endUpgrade() {
    const auto upgrade = std::find_if(headers_.begin(), headers_.end(), [](const auto &header) {
        return HttpText::equalsIgnoringCase(header.first, "Upgrade");
    });
    if (upgrade == headers_.end()) {
        return fail("the answer switches to a protocol without naming it");
    }
    head_ = {SWITCHING_PROTOCOLS, linesFor(Section::INTERIM) + "Upgrade: " + upgrade->second + "\r\n"};
    if (head_.lines.size() > MAX_RESPONSE_HEAD) {
        return fail("the answer's head is longer than 128 KiB");
    }
    hasHead_ = upgraded_ = true;
    return NO_HTTP_FOLLOWS;
}

int AnswerParser::endInterim() {
    Head head{parser_.status_code, linesFor(Section::INTERIM)};
    headers_.clear();
    inValue_ = false;
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
    if (const char *problem = checkCharacters()) {
        return problem;
    }
    trailers_ = linesFor(Section::TRAILERS);
    return trailers_.size() > LINES_LIMIT ? "the trailer fields are longer than 64 KiB" : nullptr;
}

int AnswerParser::endMessage() {
    // An interim answer ends as a message, too.
    if (hasHead_) {
        if (const char *problem = takeTrailers()) {
            return fail(problem);
        }
        complete_ = true;
        reusable_ = !upgraded_ && http_should_keep_alive(&parser_) != 0;
        http_parser_pause(&parser_, 1);
    }
    return 0;
}

}  // namespace Passenger::Bridge
