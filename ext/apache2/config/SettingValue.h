#pragma once

#include <nlohmann/json_fwd.hpp>

#include "apache2/config/Directive.h"

namespace Passenger::Directives {

/** What these settings have for the directive: a text, a number, a flag or an array of texts. Null:
 *  the configuration sets nothing. */
nlohmann::ordered_json valueOf(const Directive &directive, const Settings &settings);

}  // namespace Passenger::Directives
