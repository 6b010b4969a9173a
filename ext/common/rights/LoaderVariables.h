#pragma once

#include <string_view>

namespace Passenger::LoaderVariables {

/**
 * Whether a variable of this name decides which code a loader, a library, an interpreter, a shell
 * or a framework runs, whose certificates are trusted, or which environment it is
 * (PassengerAppEnv); or whether it is one of the agent itself. Thread-safe.
 */
bool has(std::string_view name) noexcept;

}  // namespace Passenger::LoaderVariables
