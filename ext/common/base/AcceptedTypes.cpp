#include "base/AcceptedTypes.h"

#include <algorithm>
#include <charconv>

#include "base/HttpText.h"

namespace Passenger {

namespace {

/** Removes the text up to `separator` and the separator from `text`. @return the removed part */
std::string_view takeUpTo(std::string_view &text, char separator) {
    const auto end = std::min(text.find(separator), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return HttpText::trim(part);
}

/** The number of `;q=0.8`; 1 by default. */
double qualityIn(std::string_view parameters) {
    double quality = 1;
    while (!parameters.empty()) {
        const std::string_view parameter = takeUpTo(parameters, ';');
        if (parameter.starts_with("q=")) {
            std::from_chars(parameter.data() + 2, parameter.data() + parameter.size(), quality);
        }
    }
    return quality;
}

}  // namespace

std::vector<AcceptedType> acceptedTypes(std::string_view accept) {
    std::vector<AcceptedType> types;
    while (!accept.empty()) {
        std::string_view parameters = takeUpTo(accept, ',');
        const std::string_view type = takeUpTo(parameters, ';');
        types.push_back({type, qualityIn(parameters)});
    }
    return types;
}

}  // namespace Passenger
