#include "agent/CommandLine.h"
#include "agent/PoolEngine.h"
#include "base/DescriptorCloser.h"

int main(int argc, char **argv) {
    Passenger::DescriptorCloser closer;
    Passenger::DescriptorCloser::use(&closer);
    const int status = Passenger::runCommandLine(argc, argv, Passenger::makePoolEngine);
    Passenger::DescriptorCloser::use(nullptr);
    return status;
}
