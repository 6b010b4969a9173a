#pragma once

#include <string_view>

namespace Passenger::Bridge::EventLog {

/** The application's name, in each line from now on. Before there are threads. */
void setApplication(std::string_view name);

/** Writes `event=NAME app="…" FIELDS` to the standard error, which the agent collects into the log. From any thread. */
void write(std::string_view event, std::string_view fields);

/** The same for what a peer that is not trusted can cause as often as it likes: LogLimit::LINES lines in an interval, and how many were left out. */
void complain(std::string_view event, std::string_view fields);

}  // namespace Passenger::Bridge::EventLog
