#pragma once

#include <string>
#include <string_view>

#include "commands/Arguments.h"

namespace Passenger {

/**
 * What `passenger-config event NAME` prints.
 * @param name as in the log, also behind `event=`
 * @throws CommandFailureException: there is no such event; names those that begin alike
 */
std::string eventForm(std::string_view name);
/** What it prints without NAME: all names, by section. */
std::string eventList();

/** The command. @return the exit status @throws CommandFailureException */
int printEvent(const Arguments &arguments);

}  // namespace Passenger
