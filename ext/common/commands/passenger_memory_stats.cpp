#include "commands/MemoryProgram.h"
#include "commands/ProgramMain.h"

int main(int argc, char **argv) {
    return Passenger::runProgram("passenger-memory-stats", argc, argv, Passenger::runMemoryProgram);
}
