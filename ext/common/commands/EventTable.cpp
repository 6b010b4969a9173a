#include "commands/EventTable.h"

#include "base/Lists.h"

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
    return those(TABLE, [&](const EventEntry &entry) { return entry.name == name; });
}

}  // namespace Passenger
