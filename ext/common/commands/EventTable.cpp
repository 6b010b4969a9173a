#include "commands/EventTable.h"

#include <algorithm>
#include <iterator>

namespace Passenger {

namespace {

constexpr EventEntry TABLE[] = {
// script/list-events makes it.
#include "ext/common/commands/EventRows.inc"
};

}  // namespace

std::span<const EventEntry> allEvents() noexcept {
    return TABLE;
}

std::vector<EventEntry> eventsNamed(std::string_view name) {
    std::vector<EventEntry> found;
    std::copy_if(std::begin(TABLE), std::end(TABLE), std::back_inserter(found),
                 [&](const EventEntry &entry) { return entry.name == name; });
    return found;
}

}  // namespace Passenger
