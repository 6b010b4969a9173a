#include "apache2/request/CgiEnvironment.h"

#include <algorithm>
#include <array>

#include "base/HttpText.h"

namespace Passenger {

namespace {

using HttpText::equalsIgnoringCase;

// Plain ASCII: the locale must not decide about the name of a header.
constexpr bool isLower(char c) {
    return c >= 'a' && c <= 'z';
}
constexpr bool isUpper(char c) {
    return c >= 'A' && c <= 'Z';
}
constexpr bool isDigit(char c) {
    return c >= '0' && c <= '9';
}
constexpr char upper(char c) {
    return isLower(c) ? static_cast<char>(c - 'a' + 'A') : c;
}

// The names that the server itself sets. Sorted.
constexpr std::array<std::string_view, 25> RESERVED{
    "AUTH_TYPE",      "CONTENT_LENGTH",       "CONTENT_TYPE", "DOCUMENT_ROOT",   "GATEWAY_INTERFACE",
    "HTTPS",          "PASSENGER_REQUEST_ID", "PATH_INFO",    "PATH_TRANSLATED", "QUERY_STRING",
    "REMOTE_ADDR",    "REMOTE_HOST",          "REMOTE_IDENT", "REMOTE_PORT",     "REMOTE_USER",
    "REQUEST_METHOD", "REQUEST_SCHEME",       "REQUEST_URI",  "SCRIPT_FILENAME", "SCRIPT_NAME",
    "SERVER_ADDR",    "SERVER_NAME",          "SERVER_PORT",  "SERVER_PROTOCOL", "SERVER_SOFTWARE",
};
static_assert(std::is_sorted(RESERVED.begin(), RESERVED.end()));

// Identifiers by mod_unique_id, mod_ssl (SSLOptions StdEnvVars) and mod_http2, and the client's
// address by mod_geoip and mod_maxminddb.
constexpr std::array<std::string_view, 7> IDENTIFIERS{
    "UNIQUE_ID", "SSL_SESSION_ID", "H2_STREAM_ID", "H2_STREAM_TAG", "H2_PUSHED_ON", "GEOIP_ADDR", "MMDB_ADDR",
};

}  // namespace

void CgiEnvironment::add(std::string_view name, std::string_view value) {
    buffer_ += name;
    buffer_ += '\0';
    buffer_ += value.substr(0, value.find('\0'));
    buffer_ += '\0';
}

bool CgiEnvironment::isPassedOn(std::string_view headerName) noexcept {
    return !headerName.empty() && !equalsIgnoringCase(headerName, "Content-Length") &&
           !equalsIgnoringCase(headerName, "Proxy") && std::all_of(headerName.begin(), headerName.end(), [](char c) {
               return isLower(c) || isUpper(c) || isDigit(c) || c == '-';
           });
}

void CgiEnvironment::addHeader(std::string_view name, std::string_view value) {
    if (!isPassedOn(name)) {
        return;
    }
    if (equalsIgnoringCase(name, "Content-Type")) {
        add("CONTENT_TYPE", value);
        return;
    }
    buffer_ += "HTTP_";
    for (char c : name) {
        buffer_ += c == '-' ? '_' : upper(c);
    }
    buffer_ += '\0';
    buffer_ += value.substr(0, value.find('\0'));
    buffer_ += '\0';
}

void CgiEnvironment::appendToHeader(std::string_view name, std::string_view value) {
    if (!isPassedOn(name)) {
        return;
    }
    buffer_.pop_back();
    buffer_ += equalsIgnoringCase(name, "Cookie") ? "; " : ", ";
    buffer_ += value.substr(0, value.find('\0'));
    buffer_ += '\0';
}

bool CgiEnvironment::isReserved(std::string_view name) noexcept {
    return name.empty() || (name.starts_with("HTTP_") && name != SESSION) ||
           std::binary_search(RESERVED.begin(), RESERVED.end(), name);
}

bool CgiEnvironment::isIdentifier(std::string_view name) noexcept {
    return std::find(IDENTIFIERS.begin(), IDENTIFIERS.end(), name) != IDENTIFIERS.end();
}

bool CgiEnvironment::isForProcess(std::string_view name) noexcept {
    // Switches for httpd mostly have a dash, as `no-gzip` and `force-response-1.0`.
    return !isReserved(name) && !isDigit(name.front()) && std::all_of(name.begin(), name.end(), [](char c) {
        return isLower(c) || isUpper(c) || isDigit(c) || c == '_';
    });
}

}  // namespace Passenger
