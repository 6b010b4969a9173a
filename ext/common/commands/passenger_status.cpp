#include "commands/ProgramMain.h"
#include "commands/StatusProgram.h"

int main(int argc, char **argv) {
    return Passenger::runProgram("passenger-status", argc, argv, Passenger::runStatusProgram);
}
