#include "base/Split.h"

namespace Passenger {

std::string_view takePiece(std::string_view &text, char separator) noexcept {
    const std::string_view piece = text.substr(0, text.find(separator));
    text.remove_prefix(piece.size() == text.size() ? piece.size() : piece.size() + 1);
    return piece;
}

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> pieces;
    while (!text.empty()) {
        pieces.emplace_back(takePiece(text, separator));
    }
    return pieces;
}

std::string afterLabel(std::string_view text, std::string_view label) {
    while (!text.empty()) {
        if (const std::string_view line = takePiece(text, '\n'); line.starts_with(label)) {
            return std::string(line.substr(label.size()));
        }
    }
    return "";
}

}  // namespace Passenger
