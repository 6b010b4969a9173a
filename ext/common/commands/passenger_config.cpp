#include "commands/ConfigProgram.h"
#include "commands/ProgramMain.h"

int main(int argc, char **argv) {
    return Passenger::runProgram("passenger-config", argc, argv, Passenger::runConfigProgram);
}
