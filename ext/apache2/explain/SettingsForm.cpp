#include "apache2/explain/SettingsForm.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <variant>

#include <nlohmann/json.hpp>

#include "apache2/config/DirectiveTable.h"
#include "apache2/config/Origins.h"
#include "apache2/config/SettingValue.h"
#include "apache2/httpd/PoolText.h"

namespace Passenger::SettingsForm {

namespace {

using Json = nlohmann::ordered_json;
using Directives::Directive;

/** The value in the form that httpd's configuration has. */
Json shown(Json value) {
    if (value.is_boolean()) {
        return value.get<bool>() ? "On" : "Off";
    }
    return value.is_number() ? Json(value.dump()) : value;
}

Json placeOf(const Origin &origin) {
    return {{"file", origin.file}, {"line", origin.line}};
}

bool isOf(const Origin &origin, const Directive &directive) {
    const char *name = origin.directive->successor != nullptr ? origin.directive->successor : origin.directive->name;
    return std::strcmp(name, directive.name) == 0;
}

/** The places that give the setting its value: of a list all, the outermost first. */
Json placesOf(const Directive &directive, const Settings &settings) {
    const bool isList = std::holds_alternative<Settings::List Settings::*>(directive.field.member);
    Json places = Json::array();
    for (const Origin *origin = settings.origins; origin != nullptr; origin = origin->earlier) {
        if (isOf(*origin, directive) && (isList || places.empty())) {
            places.insert(places.begin(), placeOf(*origin));
        }
    }
    return places;
}

}  // namespace

Json describe(const Settings &settings, const Settings &global) {
    Json all = Json::array();
    for (const Directive &directive : Directives::TABLE) {
        if (directive.notice != nullptr || directive.successor != nullptr) {
            continue;
        }
        const Settings &place = directive.context == Directives::Context::GLOBAL ? global : settings;
        Json entry{{"directive", directive.name}, {"value", orEmpty(directive.fallback)}, {"set_at", Json::array()}};
        if (const Json value = Directives::valueOf(directive, place); !value.is_null()) {
            entry["value"] = shown(value);
            entry["set_at"] = placesOf(directive, place);
        }
        all.push_back(std::move(entry));
    }
    return all;
}

std::string place(const char *name, const Settings &settings) {
    const auto *const directive =
        std::find_if(Directives::TABLE.begin(), Directives::TABLE.end(),
                     [name](const Directive &one) { return std::strcmp(one.name, name) == 0; });
    const Json places = directive == Directives::TABLE.end() ? Json::array() : placesOf(*directive, settings);
    return places.empty()
               ? ""
               : " (" + places[0]["file"].get<std::string>() + ":" + std::to_string(places[0]["line"].get<int>()) + ")";
}

}  // namespace Passenger::SettingsForm
