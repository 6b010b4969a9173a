#pragma once

#include <span>

namespace Passenger {

/**
 * `passenger-agent run-as [--limits MODE PORTS] USER GROUP PROGRAM [ARGUMENT...]`: becomes the user
 * for good and executes the program, so that no interpreter ever runs as root. An empty GROUP is
 * the user's primary group. The program has the user's supplementary groups, and the working
 * directory `/`. It has all descriptors of this process that are not close-on-exec, and its
 * environment with the user's HOME, USER, LOGNAME and SHELL. A PROGRAM without a slash is searched
 * for in PATH.
 *
 * With --limits the program is confined (confineProgram()). MODE is the text of a SeccompMode,
 * PORTS are the ports to which it may connect, with commas between them.
 *
 * A failure goes to the standard error in one line that begins with `passenger-agent: `.
 *
 * @param arguments what follows `run-as`; a null is behind them
 * @return only after a failure: the exit status. 127: the program cannot be executed; 2: arguments
 * are missing
 */
int runAs(std::span<char *const> arguments);

}  // namespace Passenger
