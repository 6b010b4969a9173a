#pragma once

#include <string_view>

namespace Passenger::Bridge::EventLog {

/** The application's name, in each line from now on. Before there are threads. */
void setApplication(std::string_view name);

/** Writes `event=NAME app="…" FIELDS` to the standard error, which the agent collects into the log. From any thread. */
void write(std::string_view event, std::string_view fields);

}  // namespace Passenger::Bridge::EventLog
