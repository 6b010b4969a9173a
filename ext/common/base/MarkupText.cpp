#include "base/MarkupText.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace Passenger {

namespace {

constexpr std::pair<char, std::string_view> ENTITIES[] = {
    {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};

}  // namespace

std::string printable(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); i++) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
        if (byte == 0xc2 && next >= 0x80 && next < 0xa0) {
            result += fmt::format("\\x{:02x}", next);
            i++;
        } else if ((byte < ' ' && byte != '\n' && byte != '\t') || byte == 0x7f) {
            result += fmt::format("\\x{:02x}", byte);
        } else {
            result += text[i];
        }
    }
    return result;
}

std::string markupText(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (const char c : printable(text)) {
        const auto *const found = std::ranges::find(ENTITIES, c, &std::pair<char, std::string_view>::first);
        result += found == std::end(ENTITIES) ? std::string_view(&c, 1) : found->second;
    }
    return result;
}

}  // namespace Passenger
