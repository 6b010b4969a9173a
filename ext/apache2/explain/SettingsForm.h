#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "apache2/config/Settings.h"

/** Settings and the places that they come from, for passenger-config. Only where Origins has
 *  recorded the places. */
namespace Passenger::SettingsForm {

/** All settings: `set_at` has no place for a default. */
nlohmann::ordered_json describe(const Settings &settings, const Settings &global);

/** " (FILE:LINE)" of the directive that counts; empty: none does. */
std::string place(const char *directive, const Settings &settings);

}  // namespace Passenger::SettingsForm
