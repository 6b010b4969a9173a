#pragma once

#include <http_parser.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace Passenger::Bridge {

/**
 * Reads one answer of an application that speaks HTTP/1: interim answers, head, body, and where it ends. What it lets through is fit for
 * a reply channel: no header of the connection, no name or value with which another line could begin, no coding but the body's own.
 *
 * Knows no socket, so that any bytes can be tried on it. After problem() it takes no more. Not thread-safe.
 */
class AnswerParser {
public:
    struct Head {
        unsigned status = 0;
        /** `Name: value CR LF` for each header. */
        std::string lines;
    };

    /** What the request makes possible. */
    struct Expectation {
        /** It was a HEAD. */
        bool bodiless = false;
        /** It asked for another protocol. */
        bool upgrade = false;
    };

    explicit AnswerParser(Expectation expected);
    AnswerParser(const AnswerParser &) = delete;
    AnswerParser &operator=(const AnswerParser &) = delete;

    void feed(std::string_view bytes);
    /** The application has closed the connection. */
    void end();

    /** Interim answers that came since the last call. */
    std::vector<Head> takeInterim() {
        return std::exchange(interim_, {});
    }
    bool hasHead() const noexcept {
        return hasHead_;
    }
    const Head &head() const noexcept {
        return head_;
    }
    /** Bytes of the body that came since the last call. */
    std::string takeBody() {
        return std::exchange(body_, {});
    }
    /** complete(), and the connection speaks another protocol now (101). The head has its Upgrade. */
    bool upgraded() const noexcept {
        return upgraded_;
    }
    /** The first bytes of that protocol. */
    const std::string &surplus() const noexcept {
        return surplus_;
    }
    /** The answer is over. */
    bool complete() const noexcept {
        return complete_;
    }
    /** Whether the end of the connection is the end of the answer. */
    bool untilClose() const noexcept {
        return untilClose_;
    }
    /** complete(), and the connection can be used for another request. */
    bool reusable() const noexcept {
        return reusable_;
    }
    /** Why this is no answer, or null. */
    const char *problem() const noexcept {
        return problem_;
    }

private:
    static AnswerParser &of(http_parser *parser) noexcept {
        return *static_cast<AnswerParser *>(parser->data);
    }
    static const http_parser_settings &callbacks() noexcept;
    int fail(const char *problem) noexcept;
    void check(std::size_t fed, std::size_t taken);
    int addName(std::string_view part);
    int addValue(std::string_view part);
    int endHead();
    int endInterim();
    int endUpgrade();
    int endMessage();
    const char *checkHeaders() const;
    std::string linesFor(unsigned status) const;

    http_parser parser_{};
    Expectation expected_;
    bool inValue_ = false;
    std::vector<std::pair<std::string, std::string>> headers_;
    std::size_t interimCount_ = 0;
    std::vector<Head> interim_;
    Head head_;
    std::string body_;
    std::string surplus_;
    bool upgraded_ = false;
    bool hasHead_ = false;
    bool complete_ = false;
    bool untilClose_ = false;
    bool reusable_ = false;
    const char *problem_ = nullptr;
};

}  // namespace Passenger::Bridge
