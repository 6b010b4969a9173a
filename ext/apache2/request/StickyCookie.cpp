#include "apache2/request/StickyCookie.h"

#include <algorithm>

#include "base/WholeNumber.h"
#include "exchange/QueueChoice.h"

namespace Passenger::StickyCookie {

std::uint32_t instanceIn(std::string_view header, std::string_view name) noexcept {
    while (!header.empty()) {
        // httpd joins several Cookie headers with a comma.
        const std::size_t end = header.find_first_of(";,");
        std::string_view pair = header.substr(0, end);
        pair.remove_prefix(std::min(pair.find_first_not_of(" \t"), pair.size()));
        if (pair.starts_with(name) && pair.substr(name.size()).starts_with('=')) {
            const auto instance = wholeNumber<std::uint32_t>(pair.substr(name.size() + 1));
            if (instance.value_or(0) != 0 && *instance <= QueueChoice::LAST_INSTANCE) {
                return *instance;
            }
        }
        header.remove_prefix(end == std::string_view::npos ? header.size() : end + 1);
    }
    return 0;
}

std::string make(std::string_view name, std::uint32_t instance, std::string_view baseUri, std::string_view attributes) {
    std::string cookie(name);
    cookie += '=' + std::to_string(instance) + "; Path=";
    // A `;` would end the attribute.
    cookie += baseUri.empty() || baseUri.find(';') != std::string_view::npos ? "/" : baseUri;
    cookie += "; HttpOnly";
    if (!attributes.empty()) {
        cookie += "; ";
        cookie += attributes;
    }
    return cookie;
}

}  // namespace Passenger::StickyCookie
