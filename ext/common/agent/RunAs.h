#pragma once

namespace Passenger {

/**
 * `passenger-agent run-as USER GROUP PROGRAM [ARGUMENT...]`: becomes the user for good and executes
 * the program, so that no interpreter ever runs as root. An empty GROUP is the user's primary
 * group. The program has the user's supplementary groups, the working directory `/`, all
 * descriptors of this process that are not close-on-exec, and its environment with the user's HOME,
 * USER, LOGNAME and SHELL. A PROGRAM without a slash is searched for in PATH.
 *
 * A failure goes to the standard error in one line that begins with `passenger-agent: `.
 *
 * @param arguments USER and what follows, with a null at the end; at least three
 * @return only after a failure: the exit status. 127: the program cannot be executed
 */
int runAs(char **arguments);

}  // namespace Passenger
