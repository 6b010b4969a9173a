#pragma once

#include <string_view>
#include <vector>

namespace Passenger {

/** A media type of an Accept header, without its parameters, and how much the client wants it. */
struct AcceptedType {
    std::string_view type;
    /** 0 to 1. */
    double quality = 1;
};

/** @param accept the header's value; the result refers to it */
std::vector<AcceptedType> acceptedTypes(std::string_view accept);

}  // namespace Passenger
