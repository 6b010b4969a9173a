#pragma once

#include "Httpd.h"
#include "Settings.h"

namespace Passenger::Directives {

/** All directives and their aliases, for httpd's module record; ends with an empty one. */
const command_rec *commands() noexcept;

/** Puts what `inner` says over what `settings` says. */
void merge(Settings &settings, const Settings &inner) noexcept;

}  // namespace Passenger::Directives
