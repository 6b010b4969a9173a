#include "apache2/request/RequestId.h"

#include <algorithm>
#include <cstddef>

namespace Passenger::RequestId {

namespace {

constexpr std::size_t LONGEST = 128;

// VERSION-TRACE-PARENT-FLAGS, in lower-case hexadecimal digits.
constexpr std::size_t TRACE = 3;
constexpr std::size_t TRACE_LENGTH = 32;
constexpr std::size_t PARENT = TRACE + TRACE_LENGTH + 1;
constexpr std::size_t PARENT_LENGTH = 16;
constexpr std::size_t FLAGS = PARENT + PARENT_LENGTH + 1;
constexpr std::size_t TRACEPARENT_LENGTH = FLAGS + 2;

// Plain ASCII, whatever the locale.
constexpr bool isDigit(char c) {
    return c >= '0' && c <= '9';
}
constexpr bool isHex(char c) {
    return isDigit(c) || (c >= 'a' && c <= 'f');
}
constexpr bool isOfId(char c) {
    return isDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == ':' ||
           c == '-';
}

bool isId(std::string_view text) {
    return !text.empty() && text.size() <= LONGEST && std::all_of(text.begin(), text.end(), isOfId);
}

bool isHexNumber(std::string_view text) {
    return std::all_of(text.begin(), text.end(), isHex);
}

bool isZero(std::string_view number) {
    return number.find_first_not_of('0') == std::string_view::npos;
}

/** Empty: the header is not valid, so it does not count. Later versions may add fields behind the
 *  flags. */
std::string_view traceIdOf(std::string_view header) {
    if (header.size() < TRACEPARENT_LENGTH) {
        return {};
    }
    const std::string_view version = header.substr(0, TRACE - 1);
    const std::string_view trace = header.substr(TRACE, TRACE_LENGTH);
    const std::string_view parent = header.substr(PARENT, PARENT_LENGTH);
    const bool formed = isHexNumber(version) && header[TRACE - 1] == '-' && isHexNumber(trace) &&
                        header[PARENT - 1] == '-' && isHexNumber(parent) && header[FLAGS - 1] == '-' &&
                        isHexNumber(header.substr(FLAGS, 2));
    const bool ends = header.size() == TRACEPARENT_LENGTH || (version != "00" && header[TRACEPARENT_LENGTH] == '-');
    return formed && ends && version != "ff" && !isZero(trace) && !isZero(parent) ? trace : std::string_view();
}

}  // namespace

std::string_view choose(std::string_view header, std::string_view traceparent, std::string_view uniqueId) noexcept {
    if (isId(header)) {
        return header;
    }
    const std::string_view trace = traceIdOf(traceparent);
    if (!trace.empty()) {
        return trace;
    }
    // mod_unique_id's alphabet has `@`, too. SetEnv may set the variable to anything.
    return uniqueId.size() <= LONGEST &&
                   std::all_of(uniqueId.begin(), uniqueId.end(), [](char c) { return isOfId(c) || c == '@'; })
               ? uniqueId
               : std::string_view();
}

}  // namespace Passenger::RequestId
