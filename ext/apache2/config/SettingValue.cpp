#include "apache2/config/SettingValue.h"

#include <variant>

#include <nlohmann/json.hpp>

namespace Passenger::Directives {

namespace {

using Json = nlohmann::ordered_json;

Json valueOf(Settings::Text text, Form) {
    return text;
}
Json valueOf(const Settings::Number &number, Form form) {
    return form == Form::TIME ? Json(timeText(*number)) : Json(*number);
}
Json valueOf(const Settings::Flag &flag, Form) {
    return *flag;
}
Json valueOf(Settings::List list, Form) {
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
            return member != nullptr && settings.*member ? valueOf(settings.*member, directive.field.form) : Json();
        },
        directive.field.member);
}

}  // namespace Passenger::Directives
