#pragma once

#include <string>

#include "control/AppStatus.h"

namespace Passenger::AppPage {

/** What StatusPage shows of a single application: its plots, instances, counters and last events.
 *  A pure function. @param now seconds since 1970 */
std::string render(const AppStatus &app, double now);

}  // namespace Passenger::AppPage
