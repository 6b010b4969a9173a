#include "base/CleanEnvironment.h"

#include <cstdlib>

namespace Passenger {

namespace {

constexpr const char *DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

}  // namespace

std::vector<std::string> cleanEnvironment() {
    const char *const path = std::getenv("PATH");
    return {std::string("PATH=") + (path != nullptr ? path : DEFAULT_PATH), "LANG=C.UTF-8"};
}

}  // namespace Passenger
