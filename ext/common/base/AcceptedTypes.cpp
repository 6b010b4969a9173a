#include "base/AcceptedTypes.h"

#include <charconv>

#include "base/HttpText.h"
#include "base/Split.h"

namespace Passenger {

namespace {

using HttpText::trim;

/** The number of `;q=0.8`; 1 by default. */
double qualityIn(std::string_view parameters) {
    double quality = 1;
    while (!parameters.empty()) {
        const std::string_view parameter = trim(takePiece(parameters, ';'));
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
        std::string_view parameters = takePiece(accept, ',');
        const std::string_view type = trim(takePiece(parameters, ';'));
        types.push_back({type, qualityIn(parameters)});
    }
    return types;
}

}  // namespace Passenger
