#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "base/StandardDescriptors.h"
#include "standalone/Standalone.h"
#include "standalone/StandaloneOptions.h"
#include "standalone/Successor.h"

int main(int argc, char **argv) {
    using namespace Passenger;
    try {
        openStandardDescriptors();
        const auto options = StandaloneOptions::parse(argc, argv);
        if (const auto *const status = std::get_if<int>(&options)) {
            return *status;
        }
        Successor::rememberProgram();
        return Standalone(std::get<StandaloneOptions>(options), std::vector<std::string>(argv + 1, argv + argc)).run();
    } catch (const std::exception &exception) {
        fmt::print(stderr, "passenger-prefork: {}\n", exception.what());
        return EXIT_FAILURE;
    }
}
