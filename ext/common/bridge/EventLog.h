#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace Passenger::Bridge::EventLog {

/** Each later line has this name. Call it before there are threads. */
void setApplication(std::string_view name);

/** A value for a field, in quotes: others wrote the text, and no part of it becomes a field. A
 *  longer text than MOST_OF_TEXT is cut. */
std::string inQuotes(std::string_view text);
constexpr std::size_t MOST_OF_TEXT = 200;

/** Writes `event=NAME app="…" FIELDS` to stderr, which the agent logs. From any thread. */
void write(std::string_view event, std::string_view fields);

/**
 * The same for events that a peer can cause without limit: at most LogLimit::LINES lines in an
 * interval, and a line with the number of those that were left out.
 */
void complain(std::string_view event, std::string_view fields);

}  // namespace Passenger::Bridge::EventLog
