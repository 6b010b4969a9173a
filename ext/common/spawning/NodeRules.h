#pragma once

#include <span>

#include "spawning/DiagnosisRule.h"

namespace Passenger {

/** The usual causes why a Node application does not start. They apply to no others. */
std::span<const DiagnosisRule> nodeRules() noexcept;

}  // namespace Passenger
