#pragma once

#include <string>
#include <string_view>

#include "commands/Arguments.h"

namespace Passenger {

/**
 * What `passenger-config event NAME` prints.
 * @param given as in the log, also behind `event=`
 * @throws CommandFailureException: there is no such event; names those that begin alike
 */
std::string eventForm(std::string_view given);
/** What it prints without NAME: all names, by section. */
std::string eventList();
/** What it prints with --json: the rows of this event, or all. @param name as eventForm(), or empty
 *  @throws CommandFailureException as eventForm() */
std::string eventJson(std::string_view name);

/** The command. @return the exit status @throws CommandFailureException */
int printEvent(const Arguments &arguments);

}  // namespace Passenger
