#pragma once

#include <optional>
#include <string_view>

namespace Passenger {

/** PassengerSeccomp: what happens to a system call that a process of the agent should not need. */
enum class SeccompMode {
    /** The kernel refuses it, or kills the process. */
    ON,
    /** The kernel logs it and lets it happen. */
    LOG,
    /** Nothing. */
    OFF
};

/** "on", "log" or "off". */
const char *text(SeccompMode mode) noexcept;
/** The reverse; nothing: another text. */
std::optional<SeccompMode> seccompModeIn(std::string_view text) noexcept;

}  // namespace Passenger
