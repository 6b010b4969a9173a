#pragma once

#include <string>

#include "control/ServerStatus.h"

namespace Passenger {

struct FormOptions {
    bool colours = false;
    /** Failures, versions and times of each application. */
    bool verbose = false;
};

/** `passenger-status --show=pool`: the form of Phusion Passenger 6. */
std::string poolForm(const ServerStatus &status, const FormOptions &options);

}  // namespace Passenger
