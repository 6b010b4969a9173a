#include <memory>

#include "agent/CommandLine.h"
#include "agent/StandardPoolEngine.h"
#include "base/DescriptorCloser.h"

int main(int argc, char **argv) {
    Passenger::DescriptorCloser closer;
    Passenger::DescriptorCloser::use(&closer);
    const int status = Passenger::runCommandLine(argc, argv, [](const Passenger::PoolEngineParts &parts) {
        return std::make_unique<Passenger::StandardPoolEngine>(parts);
    });
    Passenger::DescriptorCloser::use(nullptr);
    return status;
}
