#include "base/Split.h"

#include <algorithm>

namespace Passenger {

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> pieces;
    while (!text.empty()) {
        const auto end = text.find(separator);
        pieces.emplace_back(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return pieces;
}

std::string afterLabel(std::string_view text, std::string_view label) {
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        if (line.starts_with(label)) {
            return std::string(line.substr(label.size()));
        }
        text.remove_prefix(std::min(line.size() + 1, text.size()));
    }
    return "";
}

}  // namespace Passenger
