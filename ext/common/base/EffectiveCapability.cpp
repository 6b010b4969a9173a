#include "base/EffectiveCapability.h"

#include <cstdint>
#include <fstream>
#include <ios>
#include <string>

namespace Passenger {

bool hasCapability(int capability) {
    std::ifstream file("/proc/thread-self/status");
    for (std::string label; file >> label;) {
        if (label == "CapEff:") {
            std::uint64_t capabilities = 0;
            file >> std::hex >> capabilities;
            return (capabilities >> capability & 1) != 0;
        }
    }
    return false;
}

}  // namespace Passenger
