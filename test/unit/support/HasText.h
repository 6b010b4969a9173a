#pragma once

#include <string_view>

namespace Passenger {

inline bool hasText(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

}  // namespace Passenger
