#include "apache2/request/StickyCookie.h"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace Passenger::StickyCookie {

namespace {

std::uint32_t numberOrZero(std::string_view text) noexcept {
    std::uint32_t number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && rest == text.data() + text.size() ? number : 0;
}

}  // namespace

std::uint32_t instanceIn(std::string_view header, std::string_view name) noexcept {
    while (!header.empty()) {
        // httpd joins several Cookie headers with a comma.
        const std::size_t end = header.find_first_of(";,");
        std::string_view pair = header.substr(0, end);
        pair.remove_prefix(std::min(pair.find_first_not_of(" \t"), pair.size()));
        if (pair.starts_with(name) && pair.substr(name.size()).starts_with('=')) {
            if (const std::uint32_t instance = numberOrZero(pair.substr(name.size() + 1)); instance != 0) {
                return instance;
            }
        }
        header.remove_prefix(end == std::string_view::npos ? header.size() : end + 1);
    }
    return 0;
}

std::string make(std::string_view name, std::uint32_t instance, std::string_view attributes) {
    std::string cookie(name);
    cookie += '=' + std::to_string(instance) + "; Path=/; HttpOnly";
    if (!attributes.empty()) {
        cookie += "; ";
        cookie += attributes;
    }
    return cookie;
}

}  // namespace Passenger::StickyCookie
