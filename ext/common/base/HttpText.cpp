#include "base/HttpText.h"

#include <algorithm>
#include <array>

#include "base/Split.h"

namespace Passenger::HttpText {

namespace {

constexpr char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/** The tchar of RFC 9110, by character code. */
constexpr std::array<bool, 256> TOKEN_CHARACTERS = [] {
    std::array<bool, 256> table{};
    for (const char c :
         std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")) {
        table[static_cast<unsigned char>(c)] = true;
    }
    return table;
}();

constexpr bool isTokenCharacter(char c) {
    return TOKEN_CHARACTERS[static_cast<unsigned char>(c)];
}

constexpr bool isControl(char c) {
    return static_cast<unsigned char>(c) < ' ' || c == '\x7f';
}

constexpr std::array<std::string_view, 6> HOP_BY_HOP{
    "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
};
constexpr std::string_view PROXY = "proxy-";

}  // namespace

bool equalsOfSameLength(std::string_view a, std::string_view b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

bool isToken(std::string_view text) noexcept {
    return !text.empty() && std::all_of(text.begin(), text.end(), isTokenCharacter);
}

bool isValue(std::string_view text) noexcept {
    return std::none_of(text.begin(), text.end(), [](char c) { return c != '\t' && isControl(c); });
}

bool isTarget(std::string_view text) noexcept {
    return !text.empty() && std::none_of(text.begin(), text.end(), [](char c) { return c == ' ' || isControl(c); });
}

std::string_view trim(std::string_view text) noexcept {
    const auto first = text.find_first_not_of(" \t");
    return first == std::string_view::npos ? std::string_view()
                                           : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool isHopByHop(std::string_view name) noexcept {
    return equalsIgnoringCase(name.substr(0, PROXY.size()), PROXY) ||
           std::any_of(HOP_BY_HOP.begin(), HOP_BY_HOP.end(),
                       [name](std::string_view other) { return equalsIgnoringCase(name, other); });
}

bool listHas(std::string_view list, std::string_view name) noexcept {
    while (!list.empty()) {
        if (equalsIgnoringCase(trim(takePiece(list, ',')), name)) {
            return true;
        }
    }
    return false;
}

}  // namespace Passenger::HttpText
