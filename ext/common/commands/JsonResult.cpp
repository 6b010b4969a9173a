#include "commands/JsonResult.h"

#include <nlohmann/json.hpp>

namespace Passenger::JsonResult {

std::string done(const nlohmann::ordered_json &fields, int status) {
    constexpr int INDENT = 2;
    nlohmann::ordered_json document = {{"status", status}};
    document.update(fields);
    return document.dump(INDENT, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string failed(int status, const std::string &text) {
    return done({{"error", text}}, status);
}

}  // namespace Passenger::JsonResult
