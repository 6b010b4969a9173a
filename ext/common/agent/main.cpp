#include "agent/CommandLine.h"
#include "agent/PoolEngine.h"

int main(int argc, char **argv) {
    return Passenger::runCommandLine(argc, argv, Passenger::makePoolEngine);
}
