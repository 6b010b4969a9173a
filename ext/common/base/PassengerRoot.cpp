#include "base/PassengerRoot.h"

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "base/Exceptions.h"

namespace Passenger {

std::string passengerRootWith(const std::string &file) {
    std::vector<std::filesystem::path> roots;
    if (const char *const named = std::getenv("PASSENGER_ROOT"); named != nullptr && *named != '\0') {
        roots.emplace_back(named);
    } else {
        roots.push_back(std::filesystem::read_symlink("/proc/self/exe").parent_path() / "root");
        roots.emplace_back(PASSENGER_DEFAULT_ROOT);
    }
    for (const auto &root : roots) {
        if (std::filesystem::exists(root / file)) {
            return root.string();
        }
    }
    throw IOException("there is no " + file + " in " + roots.back().string() +
                      ": install it, or name its folder in PASSENGER_ROOT");
}

}  // namespace Passenger
