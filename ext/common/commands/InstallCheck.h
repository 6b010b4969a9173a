#pragma once

#include <string>
#include <vector>

#include "commands/AgentFinder.h"

namespace Passenger {

/** What validate-install has found out about one thing. A plain value. */
struct Finding {
    enum class Level { FINE, WARNING, ERROR };

    Level level = Level::FINE;
    /** What was checked. */
    std::string subject;
    /** The value, or what is wrong with it. */
    std::string text;
    /** Empty if it is fine. */
    std::string remedy{};
};

/** @param withHttpd also the configuration of httpd. Blocks: it runs programs. */
std::vector<Finding> checkInstall(const AgentFinder &finder, bool withHttpd);
/** @return the exit status */
int statusOf(const std::vector<Finding> &findings);
std::string findingsForm(const std::vector<Finding> &findings, bool colours);
std::string findingsJson(const std::vector<Finding> &findings);

}  // namespace Passenger
