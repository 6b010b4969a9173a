#pragma once

#include "control/ServerStatus.h"

namespace Passenger {

class SpoolQuota;

/** What this httpd knows of itself. The agent does not know it. */
namespace HttpdFigures {

/** Looks at httpd's scoreboard, as mod_status does. Needs no ExtendedStatus. */
WorkersStatus workers() noexcept;
/** Nothing: spool files are not counted. */
std::optional<SpoolStatus> spool(SpoolQuota &quota);

}  // namespace HttpdFigures

}  // namespace Passenger
