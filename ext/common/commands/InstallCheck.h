#pragma once

#include <string>
#include <vector>

#include "commands/Arguments.h"

namespace Passenger {

/** What validate-install has found out about one thing. A plain value. */
struct Finding {
    enum class Level { FINE, WARNING, ERROR };

    Level level = Level::FINE;
    std::string subject;
    /** The value, or what is wrong with it. */
    std::string text;
    /** Empty if it is fine. */
    std::string remedy{};
};

/** The installation, and each application that a running agent or httpd's configuration has.
 *  Blocks: it runs programs. */
std::vector<Finding> checkInstall(const Arguments &arguments);
/** @return the exit status */
int statusOf(const std::vector<Finding> &findings);
std::string findingsForm(const std::vector<Finding> &findings, bool colours);
std::string findingsJson(const std::vector<Finding> &findings);

}  // namespace Passenger
