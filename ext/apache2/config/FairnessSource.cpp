#include "apache2/config/FairnessSource.h"

#include <strings.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <string_view>

namespace Passenger {

namespace {

/** What follows the prefix. Null: the text does not begin with it. */
const char *after(std::string_view prefix, const char *text) noexcept {
    return strncasecmp(text, prefix.data(), prefix.size()) == 0 ? text + prefix.size() : nullptr;
}

/** RFC 9110's token. */
bool isHeaderName(std::string_view name) noexcept {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char letter) {
        return std::isalnum(letter) != 0 || std::strchr("!#$%&'*+-.^_`|~", letter) != nullptr;
    });
}

bool isVariableName(std::string_view name) noexcept {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char letter) {
        return std::isgraph(letter) != 0 && letter != '=';
    });
}

}  // namespace

std::optional<FairnessSource> FairnessSource::parse(const char *text) noexcept {
    if (strcasecmp(text, "off") == 0) {
        return FairnessSource{};
    }
    if (strcasecmp(text, "client") == 0) {
        return FairnessSource{Kind::CLIENT};
    }
    if (strcasecmp(text, "user") == 0) {
        return FairnessSource{Kind::USER};
    }
    if (const char *name = after("header:", text); name != nullptr && isHeaderName(name)) {
        return FairnessSource{Kind::HEADER, name};
    }
    if (const char *name = after("env:", text); name != nullptr && isVariableName(name)) {
        return FairnessSource{Kind::VARIABLE, name};
    }
    return std::nullopt;
}

}  // namespace Passenger
