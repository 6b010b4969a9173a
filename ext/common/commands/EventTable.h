#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace Passenger {

/** A row of doc/EVENTS.md, from which the build makes the table. */
struct EventEntry {
    /** The heading of the row's table. */
    std::string_view section;
    std::string_view name;
    /** With commas between them. */
    std::string_view levels;
    std::string_view meaning;
    std::string_view action;
};

/** All events, in the order of the page. */
std::span<const EventEntry> allEvents() noexcept;
/** More than one if several programs write events of this name; none: there is no such event. */
std::vector<EventEntry> eventsNamed(std::string_view name);

}  // namespace Passenger
