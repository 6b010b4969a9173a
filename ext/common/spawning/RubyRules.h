#pragma once

#include <span>

#include "spawning/DiagnosisRule.h"

namespace Passenger {

/** The usual causes why a Ruby application does not start. They apply to no others. */
std::span<const DiagnosisRule> rubyRules() noexcept;

}  // namespace Passenger
