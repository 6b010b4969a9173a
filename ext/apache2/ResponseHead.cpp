#include "ResponseHead.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace Passenger {

namespace {

// Far more than any application sends; less than what makes httpd's own handling of a head slow.
constexpr std::size_t MAX_HEADERS = 2'000;

constexpr char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equalsIgnoringCase(std::string_view a, std::string_view b) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

/** RFC 9110's tchar. */
constexpr bool isTokenCharacter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

constexpr bool isControl(char c) {
    return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7f';
}

std::string_view trim(std::string_view text) {
    std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// About one connection, which here is the one between httpd and the client: httpd's own matter.
constexpr std::array<std::string_view, 7> HOP_BY_HOP{
    "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
};

bool isHopByHop(std::string_view name) {
    return std::any_of(HOP_BY_HOP.begin(), HOP_BY_HOP.end(),
                       [name](std::string_view other) { return equalsIgnoringCase(name, other); });
}

}  // namespace

const char *ResponseHead::parse(std::string_view lines) {
    headers_.reserve(24);
    while (!lines.empty()) {
        std::size_t end = lines.find("\r\n");
        if (end == std::string_view::npos) {
            return "a header line without an end";
        }
        if (const char *problem = addLine(lines.substr(0, end))) {
            return problem;
        }
        lines.remove_prefix(end + 2);
    }
    dropNominated();
    return nullptr;
}

const char *ResponseHead::addLine(std::string_view line) {
    std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) {
        return "a header line without a colon";
    }
    Header header{line.substr(0, colon), trim(line.substr(colon + 1))};
    if (header.name.empty() || !std::all_of(header.name.begin(), header.name.end(), isTokenCharacter)) {
        return "a header name with a character that is not allowed";
    }
    if (std::any_of(header.value.begin(), header.value.end(), isControl)) {
        return "a header value with a control character";
    }
    return addHeader(header);
}

const char *ResponseHead::addHeader(Header header) {
    if (headers_.size() >= MAX_HEADERS) {
        return "too many headers";
    }
    if (equalsIgnoringCase(header.name, "Content-Length")) {
        return setContentLength(header.value);
    }
    if (equalsIgnoringCase(header.name, "Content-Type")) {
        contentType_ = header.value;
    } else if (equalsIgnoringCase(header.name, "Connection")) {
        connection_.push_back(header.value);
    } else if (isHopByHop(header.name)) {
        noteHopByHop(header);
    } else if (!equalsIgnoringCase(header.name, "Status")) {
        headers_.push_back(header);
    }
    return nullptr;
}

const char *ResponseHead::setContentLength(std::string_view value) {
    std::uint64_t length = 0;
    auto [rest, error] = std::from_chars(value.data(), value.data() + value.size(), length);
    if (error != std::errc() || rest != value.data() + value.size() || length > INT64_MAX) {
        return "a Content-Length that is no number";
    }
    if (contentLength_ && *contentLength_ != length) {
        return "two different Content-Lengths";
    }
    contentLength_ = length;
    return nullptr;
}

void ResponseHead::noteHopByHop(Header header) {
    if (equalsIgnoringCase(header.name, "Upgrade")) {
        upgrade_ = header.value;
    } else if (equalsIgnoringCase(header.name, "Transfer-Encoding")) {
        chunked_ = equalsIgnoringCase(header.value, "chunked");
    }
}

/** `Connection: X-Foo` makes X-Foo a matter of that connection too. */
void ResponseHead::dropNominated() {
    for (std::string_view list : connection_) {
        while (!list.empty()) {
            std::size_t comma = list.find(',');
            std::string_view name = trim(list.substr(0, comma));
            closes_ = closes_ || equalsIgnoringCase(name, "close");
            std::erase_if(headers_, [name](const Header &header) { return equalsIgnoringCase(header.name, name); });
            list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
        }
    }
}

}  // namespace Passenger
