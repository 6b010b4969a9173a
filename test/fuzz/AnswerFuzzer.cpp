/*
 * Feeds any bytes to the parser of answers of HTTP applications, in pieces as the first byte says. However they are cut, the answer is the
 * same; and what is let through is fit for a reply channel.
 */
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "bridge/AnswerParser.h"
#include "bridge/HttpText.h"

namespace {

using namespace Passenger::Bridge;

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

void checkLines(std::string_view lines) {
    while (!lines.empty()) {
        const auto end = lines.find("\r\n");
        require(end != std::string_view::npos);
        const std::string_view line = lines.substr(0, end);
        const auto colon = line.find(": ");
        require(colon != std::string_view::npos);
        require(HttpText::isToken(line.substr(0, colon)) && !HttpText::isHopByHop(line.substr(0, colon)));
        require(HttpText::isValue(line.substr(colon + 2)));
        lines.remove_prefix(end + 2);
    }
}

Outcome parse(std::string_view input, std::size_t piece, bool bodiless) {
    AnswerParser parser(bodiless);
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
        require(parser.head().status >= 200 && parser.head().status <= 999);
        checkLines(parser.head().lines);
        require(!bodiless || outcome.body.empty());
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
    const bool bodiless = (data[0] & 128) != 0;
    const Outcome whole = parse(input, input.size() + 1, bodiless);
    const Outcome pieces = parse(input, (data[0] & 127) + 1U, bodiless);
    require(whole.complete == pieces.complete);
    require(!whole.complete || whole == pieces);
    return 0;
}
