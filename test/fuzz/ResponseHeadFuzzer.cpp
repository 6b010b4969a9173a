/*
 * Feeds random bytes to ResponseHead. An accepted head must be fit for a client. No name or value
 * ends the head early or adds a header. No header of a single connection stays. The head must be
 * the same after it is written and read again.
 */
#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>

#include "apache2/response/ResponseHead.h"
#include "base/HttpText.h"
#include "base/Split.h"

namespace {

using namespace Passenger;

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

bool lies(std::string_view part, std::string_view whole) {
    return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void checkValue(std::string_view value, std::string_view input) {
    require(lies(value, input));
    require(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
}

std::string lowerCase(std::string_view text) {
    std::string lower(text);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    return lower;
}

/** The names in the Connection lines of the input. */
std::set<std::string> nominated(std::string_view input) {
    std::set<std::string> names;
    while (!input.empty()) {
        std::string_view line = takePiece(input, '\n');
        if (lowerCase(takePiece(line, ':')) == "connection") {
            line = line.substr(0, line.find('\r'));
            while (!line.empty()) {
                names.insert(lowerCase(HttpText::trim(takePiece(line, ','))));
            }
        }
    }
    return names;
}

std::string writtenAgain(const ResponseHead &head) {
    std::string lines;
    if (head.contentType()) {
        lines.append("Content-Type: ").append(*head.contentType()).append("\r\n");
    }
    if (head.contentLength()) {
        lines.append("Content-Length: ").append(std::to_string(*head.contentLength())).append("\r\n");
    }
    // Last, because the head may already have as many headers as are allowed.
    for (const ResponseHead::Header &header : head.headers()) {
        lines.append(header.name).append(": ").append(header.value).append("\r\n");
    }
    return lines;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char *>(data), size);
    ResponseHead head;
    if (head.parse(input) != nullptr) {
        return 0;
    }
    const std::set<std::string> ofConnection = nominated(input);
    for (const ResponseHead::Header &header : head.headers()) {
        require(!header.name.empty() && lies(header.name, input));
        require(header.name.find_first_of(std::string_view(" \t:\r\n\0", 6)) == std::string_view::npos);
        checkValue(header.value, input);
        require(!HttpText::isHopByHop(header.name) && !ofConnection.contains(lowerCase(header.name)));
    }
    if (head.contentType()) {
        checkValue(*head.contentType(), input);
    }
    require(!head.contentLength() || *head.contentLength() <= INT64_MAX);

    const std::string again = writtenAgain(head);
    ResponseHead second;
    require(second.parse(again) == nullptr);
    require(second.headers().size() == head.headers().size() && second.contentType() == head.contentType() &&
            second.contentLength() == head.contentLength());
    require(writtenAgain(second) == again);
    return 0;
}
