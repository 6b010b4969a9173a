#pragma once

#include <http_parser.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bridge/AnswerFields.h"
#include "bridge/ChunkEnds.h"

namespace Passenger::Bridge {

/**
 * Parses one answer of an application that speaks HTTP/1: interim answers, head, body and trailer
 * fields. The result is fit for a reply channel. It has no headers of the connection but Trailer,
 * no name or value that could begin another line, and no transfer coding.
 *
 * The parser uses no socket, so that tests can feed any bytes. It is owned by one HttpExchange and
 * not thread-safe. After problem() it takes no more bytes.
 */
class AnswerParser {
public:
    struct Head {
        unsigned status = 0;
        /** `Name: value CR LF` for each header. */
        std::string lines;
    };

    /** The answer depends on this of the request. */
    struct Expectation {
        /** The request was a HEAD. */
        bool bodiless = false;
        /** The request asked for another protocol. */
        bool upgrade = false;
    };

    explicit AnswerParser(Expectation expected);
    AnswerParser(const AnswerParser &) = delete;
    AnswerParser &operator=(const AnswerParser &) = delete;

    void feed(std::string_view bytes);
    /** The application closed the connection. */
    void end();

    /** Interim answers that came since the last call. */
    std::vector<Head> takeInterim() { return std::exchange(interim_, {}); }
    bool hasHead() const noexcept { return hasHead_; }
    const Head &head() const noexcept { return head_; }
    /** Bytes of the body that came since the last call. */
    std::string takeBody() { return std::exchange(body_, {}); }
    /** complete(): the trailer fields as lines, as in Head. */
    const std::string &trailers() const noexcept { return trailers_; }
    /** complete(), and the connection has another protocol now (101). The head has its Upgrade. */
    bool upgraded() const noexcept { return upgraded_; }
    /** The first bytes of that protocol. */
    const std::string &surplus() const noexcept { return surplus_; }
    /** The whole answer has come. */
    bool complete() const noexcept { return complete_; }
    /** Whether the answer ends with the connection. */
    bool untilClose() const noexcept { return untilClose_; }
    /** Whether the body of an answer with status 200 is an event stream without a length, a coding
     *  and trailer fields, which may go on for as long as the client listens. */
    bool isEventStream() const noexcept { return isEventStream_; }
    /** complete(), and the connection can be used for another request. */
    bool reusable() const noexcept { return reusable_; }
    /** How long the application keeps the connection without a request, by the Keep-Alive header of
     *  the answer. 0: it does not say. */
    std::chrono::seconds keptFor() const noexcept { return keptFor_; }
    /** Why the bytes are no answer, or null. */
    const char *problem() const noexcept { return problem_; }

private:
    static AnswerParser &of(http_parser *parser) noexcept { return *static_cast<AnswerParser *>(parser->data); }
    static const http_parser_settings &callbacks() noexcept;
    int fail(const char *problem) noexcept;
    void check(std::size_t fed, std::size_t taken);
    int beginChunk();
    int addBody(std::string_view part);
    int addName(std::string_view part);
    int addValue(std::string_view part);
    int endHead();
    int endInterim();
    int endUpgrade();
    int endMessage();
    const char *takeTrailers();
    bool isChunked() const noexcept { return (parser_.flags & F_CHUNKED) != 0; }

    http_parser parser_{};
    Expectation expected_;
    /** The fields of the head that is being parsed; behind the body, the trailer fields. */
    AnswerFields fields_;
    ChunkEnds chunks_;
    std::size_t interimCount_ = 0;
    std::vector<Head> interim_;
    Head head_;
    std::string body_;
    std::string trailers_;
    std::string surplus_;
    bool upgraded_ = false;
    bool hasHead_ = false;
    bool complete_ = false;
    bool untilClose_ = false;
    bool isEventStream_ = false;
    bool reusable_ = false;
    // The head announces a body that the answer must not have; some applications send it.
    bool mayStillCome_ = false;
    std::chrono::seconds keptFor_{0};
    const char *problem_ = nullptr;
};

}  // namespace Passenger::Bridge
