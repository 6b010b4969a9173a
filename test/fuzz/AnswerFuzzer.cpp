/*
 * Feeds random bytes to the parser of HTTP applications' answers, in pieces whose size the first
 * byte gives. The answer must not depend on the pieces, and accepted answers must be fit for a
 * reply channel.
 */
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/HttpText.h"
#include "bridge/AnswerParser.h"

namespace {

using namespace Passenger::Bridge;
namespace HttpText = Passenger::HttpText;

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

struct Outcome {
    bool complete = false;
    bool problem = false;
    unsigned status = 0;
    std::string lines;
    std::string body;

    bool operator==(const Outcome &) const = default;
};

/** @param hopByHop the only such header that there may be; empty: none */
void checkLines(std::string_view lines, std::string_view hopByHop = "") {
    while (!lines.empty()) {
        const auto end = lines.find("\r\n");
        require(end != std::string_view::npos);
        const std::string_view line = lines.substr(0, end);
        const auto colon = line.find(": ");
        require(colon != std::string_view::npos);
        const std::string_view name = line.substr(0, colon);
        require(HttpText::isToken(name));
        require(!HttpText::isHopByHop(name) || HttpText::equalsIgnoringCase(name, hopByHop));
        require(HttpText::isValue(line.substr(colon + 2)));
        lines.remove_prefix(end + 2);
    }
}

Outcome parse(std::string_view input, std::size_t piece, AnswerParser::Expectation expected) {
    AnswerParser parser(expected);
    Outcome outcome;
    while (!input.empty() && !parser.complete() && parser.problem() == nullptr) {
        parser.feed(input.substr(0, piece));
        input.remove_prefix(std::min(piece, input.size()));
        outcome.body += parser.takeBody();
        for (const auto &interim : parser.takeInterim()) {
            require(interim.status >= 100 && interim.status < 200 && interim.status != 101);
            checkLines(interim.lines);
        }
    }
    parser.end();
    require(!(parser.complete() && parser.problem() != nullptr));
    require(parser.complete() || parser.problem() != nullptr);
    outcome.complete = parser.complete();
    outcome.problem = parser.problem() != nullptr;
    if (parser.hasHead()) {
        const unsigned status = parser.head().status;
        require(parser.upgraded() ? status == 101 && expected.upgrade : status >= 200 && status <= 999);
        // A head with chunks behind it may announce trailer fields.
        checkLines(parser.head().lines, parser.upgraded() ? "Upgrade" : "Trailer");
        require(!(expected.bodiless || parser.upgraded()) || outcome.body.empty());
        outcome.status = parser.head().status;
        outcome.lines = parser.head().lines;
    }
    return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view input(reinterpret_cast<const char *>(data) + 1, size - 1);
    const AnswerParser::Expectation expected{(data[0] & 128) != 0, (data[0] & 64) != 0};
    const Outcome whole = parse(input, input.size() + 1, expected);
    const Outcome pieces = parse(input, (data[0] & 63) + 1U, expected);
    require(whole.complete == pieces.complete);
    require(!whole.complete || whole == pieces);
    return 0;
}
