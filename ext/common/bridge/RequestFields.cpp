#include "bridge/RequestFields.h"

#include <algorithm>

namespace Passenger::Bridge {

namespace {

/** Most environments have no more fields. */
constexpr std::size_t USUAL_FIELDS = 32;

}  // namespace

std::optional<RequestFields> RequestFields::parse(std::string_view environment) {
    RequestFields result;
    result.fields_.reserve(USUAL_FIELDS);
    const auto takeText = [&environment](std::string_view &text) {
        const auto end = environment.find('\0');
        if (end == std::string_view::npos) {
            return false;
        }
        text = environment.substr(0, end);
        environment.remove_prefix(end + 1);
        return true;
    };
    while (!environment.empty()) {
        Field field;
        if (!takeText(field.first) || !takeText(field.second)) {
            return std::nullopt;
        }
        result.fields_.push_back(field);
    }
    return result;
}

std::string_view RequestFields::operator[](std::string_view name) const {
    const auto found =
        std::find_if(fields_.begin(), fields_.end(), [name](const Field &field) { return field.first == name; });
    return found == fields_.end() ? std::string_view() : found->second;
}

bool RequestFields::has(std::string_view name) const {
    return std::any_of(fields_.begin(), fields_.end(), [name](const Field &field) { return field.first == name; });
}

}  // namespace Passenger::Bridge
