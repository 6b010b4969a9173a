#pragma once

#include <string_view>

namespace Passenger::LoaderVariables {

/**
 * Whether a variable of this name needs a grant. It may decide which code a loader, a library, an
 * interpreter, a shell or a framework runs, or which certificates are trusted. It may name the
 * environment (PassengerAppEnv), or be a variable of the agent itself. Thread-safe.
 */
bool has(std::string_view name) noexcept;

}  // namespace Passenger::LoaderVariables
