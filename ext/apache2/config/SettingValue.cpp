#include "apache2/config/SettingValue.h"

#include <variant>

#include <nlohmann/json.hpp>

namespace Passenger::Directives {

namespace {

using Json = nlohmann::ordered_json;

Json valueOf(const char *text, Form) {
    return text;
}
Json valueOf(int number, Form form) {
    return form == Form::TIME ? Json(timeText(number)) : Json(number);
}
Json valueOf(bool flag, Form) {
    return flag;
}
Json valueOf(const apr_array_header_t *list, Form) {
    Json values = Json::array();
    for (const char *text : Settings::items(list)) {
        values.push_back(text);
    }
    return values;
}

}  // namespace

Json valueOf(const Directive &directive, const Settings &settings) {
    return std::visit(
        [&](auto member) {
            const bool isGiven = member != nullptr && (settings.*member).given;
            return isGiven ? valueOf((settings.*member).value(), directive.field.form) : Json();
        },
        directive.field.member);
}

}  // namespace Passenger::Directives
