#pragma once

#include "control/ServerStatus.h"

namespace Passenger {

/** What this httpd knows of itself. The agent does not know it. */
namespace HttpdFigures {

/** Looks at httpd's scoreboard, as mod_status does. Needs no ExtendedStatus. */
WorkersStatus workers() noexcept;

}  // namespace HttpdFigures

}  // namespace Passenger
