#pragma once

#include <cstdlib>
#include <filesystem>

namespace Passenger {

/** The folder of the checkout, which has the files that tests of several languages share. */
inline std::filesystem::path sourceFolder() {
    const char *named = std::getenv("SOURCE_DIR");
    const std::filesystem::path here = std::filesystem::absolute(__FILE__).parent_path();
    return named != nullptr ? std::filesystem::path(named) : here.parent_path().parent_path().parent_path();
}

}  // namespace Passenger
