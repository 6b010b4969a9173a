#include "apache2/request/RequestUri.h"

namespace Passenger::RequestUri {

namespace {

constexpr std::string_view HEX_DIGITS = "0123456789ABCDEF";

int hexValue(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/** The byte of `%XY` at the beginning of a text, or -1. */
int decodedByte(std::string_view text) {
    const int high = text.size() >= 3 ? hexValue(text[1]) : -1;
    const int low = text.size() >= 3 ? hexValue(text[2]) : -1;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool mustBeEncoded(char c) {
    return static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) >= 0x7f;
}

/** @return whether `raw` is a form of `decoded` in which each byte that needs percent-encoding has
 *  it */
bool isFormOf(std::string_view raw, std::string_view decoded, EncodedSlash slash) {
    while (!raw.empty()) {
        const int byte = raw[0] == '%' ? decodedByte(raw) : static_cast<unsigned char>(raw[0]);
        const std::size_t length = raw[0] == '%' ? 3 : 1;
        if (byte < 0 || (length == 1 && mustBeEncoded(raw[0])) ||
            (length == 3 && byte == '/' && slash == EncodedSlash::SLASH)) {
            return false;
        }
        if (length == 3 && byte == '/' && slash == EncodedSlash::KEPT) {
            if (!decoded.starts_with(raw.substr(0, 3))) {
                return false;
            }
            decoded.remove_prefix(3);
        } else if (decoded.empty() || decoded[0] != static_cast<char>(byte)) {
            return false;
        } else {
            decoded.remove_prefix(1);
        }
        raw.remove_prefix(length);
    }
    return decoded.empty();
}

/** The path in a request target, without host and query. */
std::string_view pathOf(std::string_view target) {
    if (!target.starts_with('/')) {
        std::size_t host = target.find("://");
        std::size_t path = host == std::string_view::npos ? host : target.find('/', host + 3);
        target = path == std::string_view::npos ? std::string_view() : target.substr(path);
    }
    return target.substr(0, target.find_first_of("?#"));
}

constexpr bool standsForItself(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~/!$&'()*+,;=:@").find(static_cast<char>(c)) != std::string_view::npos;
}

}  // namespace

void escape(std::string &result, std::string_view path) {
    result.clear();
    for (unsigned char c : path) {
        if (standsForItself(c)) {
            result += static_cast<char>(c);
        } else {
            result += '%';
            result += HEX_DIGITS[c >> 4U];
            result += HEX_DIGITS[c & 15U];
        }
    }
}

void escapePath(std::string &result, std::string_view target, std::string_view decoded, EncodedSlash slash) {
    const std::string_view raw = pathOf(target);
    if (isFormOf(raw, decoded, slash)) {
        result = raw;
        return;
    }
    escape(result, decoded);
    if (slash == EncodedSlash::KEPT) {
        // In httpd's own path `%2F` is encoded already. Undo the second encoding.
        for (std::size_t at = result.find("%252"); at != std::string::npos; at = result.find("%252", at + 1)) {
            if (at + 4 < result.size() && (result[at + 4] == 'F' || result[at + 4] == 'f')) {
                result.erase(at + 1, 2);
            }
        }
    }
}

std::string_view after(std::string_view path, std::string_view base) {
    for (std::size_t decoded = 0; decoded < base.size() && !path.empty(); ++decoded) {
        path.remove_prefix(path[0] == '%' && path.size() >= 3 ? 3 : 1);
    }
    return path;
}

}  // namespace Passenger::RequestUri
