#include "apache2/response/ResponseHead.h"

#include <algorithm>

#include "base/HttpText.h"
#include "base/Split.h"
#include "base/WholeNumber.h"

namespace Passenger {

namespace {

using HttpText::equalsIgnoringCase;

// Far more than any application sends, and few enough for httpd's handling of headers to be fast.
constexpr std::size_t MAX_HEADERS = 2'000;
// Of the names in Connection; each is compared with each header.
constexpr std::size_t MAX_NOMINATED = 50;

// Phusion Passenger keeps headers whose names begin with this, such as !~Request-OOB-Work.
constexpr std::string_view SERVERS_OWN = "!~";

}  // namespace

const char *ResponseHead::parse(std::string_view lines) {
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
    Header header{line.substr(0, colon), HttpText::trim(line.substr(colon + 1))};
    if (!HttpText::isToken(header.name)) {
        return "a header name with a character that is not allowed";
    }
    if (!HttpText::isValue(header.value)) {
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
        return noteNominated(header.value);
    } else if (HttpText::isHopByHop(header.name)) {
        return noteHopByHop(header);
    } else if (!equalsIgnoringCase(header.name, "Status") && !header.name.starts_with(SERVERS_OWN)) {
        headers_.push_back(header);
    }
    return nullptr;
}

const char *ResponseHead::setContentLength(std::string_view value) {
    const auto length = wholeNumber<std::uint64_t>(value);
    if (!length || *length > INT64_MAX) {
        return "a Content-Length that is not a number";
    }
    if (contentLength_ && contentLength_ != length) {
        return "two different Content-Lengths";
    }
    contentLength_ = length;
    return nullptr;
}

/** Records headers about a single connection. These are not passed on: the client's connection is
 *  httpd's own. */
const char *ResponseHead::noteHopByHop(Header header) {
    if (equalsIgnoringCase(header.name, "Upgrade")) {
        upgrade_ = header.value;
    } else if (equalsIgnoringCase(header.name, "Trailer")) {
        trailer_ = header.value;
    } else if (equalsIgnoringCase(header.name, "Transfer-Encoding") && !equalsIgnoringCase(header.value, "identity")) {
        if (chunked_ || !equalsIgnoringCase(header.value, "chunked")) {
            return "a transfer coding other than chunked";
        }
        chunked_ = true;
    }
    return nullptr;
}

/** `Connection: X-Foo` limits X-Foo to that connection. */
const char *ResponseHead::noteNominated(std::string_view names) {
    while (!names.empty()) {
        const std::string_view name = HttpText::trim(takePiece(names, ','));
        if (name.empty()) {
            continue;
        }
        if (nominated_.size() >= MAX_NOMINATED) {
            return "too many names in Connection";
        }
        closes_ = closes_ || equalsIgnoringCase(name, "close");
        nominated_.push_back(name);
    }
    return nullptr;
}

void ResponseHead::dropNominated() {
    const auto isNominated = [this](const Header &header) {
        return std::any_of(nominated_.begin(), nominated_.end(),
                           [&header](std::string_view name) { return equalsIgnoringCase(header.name, name); });
    };
    headers_.erase(std::remove_if(headers_.begin(), headers_.end(), isNominated), headers_.end());
}

}  // namespace Passenger
