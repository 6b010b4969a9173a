#pragma once

#include <string>
#include <vector>

#include "control/ServerStatus.h"
#include "control/StatusWords.h"

namespace Passenger {

/** What an administrator should know first: failures, and limits that are reached or near. */
struct StatusConcern {
    StatusWords::Weight weight = StatusWords::Weight::NOTICE;
    /** Empty: it is the server's. */
    std::string app;
    /** For an application, the rest of a sentence that begins with its name. */
    std::string text;
};

/** Problems first, then in the order of the applications. */
std::vector<StatusConcern> concernsOf(const ServerStatus &status);

}  // namespace Passenger
