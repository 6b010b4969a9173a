#include "base/Json.h"

#include <nlohmann/json.hpp>

namespace Passenger {

std::string jsonString(std::string_view text) {
    return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

std::string jsonText(std::string_view text) {
    return nlohmann::json::parse(jsonString(text)).get<std::string>();
}

}  // namespace Passenger
