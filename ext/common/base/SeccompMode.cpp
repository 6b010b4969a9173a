#include "base/SeccompMode.h"

namespace Passenger {

const char *text(SeccompMode mode) noexcept {
    switch (mode) {
        case SeccompMode::ON: return "on";
        case SeccompMode::LOG: return "log";
        case SeccompMode::OFF: return "off";
    }
    return "";
}

std::optional<SeccompMode> seccompModeIn(std::string_view name) noexcept {
    for (const SeccompMode mode : {SeccompMode::ON, SeccompMode::LOG, SeccompMode::OFF}) {
        if (name == text(mode)) {
            return mode;
        }
    }
    return std::nullopt;
}

}  // namespace Passenger
