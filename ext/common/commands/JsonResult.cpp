#include "commands/JsonResult.h"

#include <nlohmann/json.hpp>

namespace Passenger::JsonResult {

std::string text(const nlohmann::ordered_json &document) {
    constexpr int INDENT = 2;
    return document.dump(INDENT, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string done(const nlohmann::ordered_json &fields, int status) {
    nlohmann::ordered_json document = {{"status", status}};
    document.update(fields);
    return text(document);
}

std::string failed(int status, const std::string &error) {
    return done({{"error", error}}, status);
}

}  // namespace Passenger::JsonResult
