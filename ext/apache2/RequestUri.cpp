#include "RequestUri.h"

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

/** Whether `raw` is one way to write `decoded`, in which no encoded byte is a slash and no byte needs encoding that is not. */
bool isFormOf(std::string_view raw, std::string_view decoded) {
    std::size_t at = 0;
    for (std::size_t i = 0; i < raw.size(); ++i, ++at) {
        if (at == decoded.size()) {
            return false;
        }
        char c = raw[i];
        if (c == '%') {
            if (i + 2 >= raw.size()) {
                return false;
            }
            int high = hexValue(raw[i + 1]);
            int low = hexValue(raw[i + 2]);
            if (high < 0 || low < 0) {
                return false;
            }
            c = static_cast<char>(high * 16 + low);
            i += 2;
            if (c == '/') {
                return false;
            }
        } else if (static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) >= 0x7f) {
            return false;
        }
        if (c != decoded[at]) {
            return false;
        }
    }
    return at == decoded.size();
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

std::string escape(std::string_view path) {
    std::string result;
    result.reserve(path.size() + 16);
    for (unsigned char c : path) {
        if (standsForItself(c)) {
            result += static_cast<char>(c);
        } else {
            result += '%';
            result += HEX_DIGITS[c >> 4U];
            result += HEX_DIGITS[c & 15U];
        }
    }
    return result;
}

std::string escapedPath(std::string_view target, std::string_view decoded) {
    std::string_view raw = pathOf(target);
    return isFormOf(raw, decoded) ? std::string(raw) : escape(decoded);
}

}  // namespace Passenger::RequestUri
