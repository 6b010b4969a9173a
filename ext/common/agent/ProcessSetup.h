#pragma once

#include <string>

#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * The first steps of each process of the agent, before it has threads: descriptors, signals and
 * limits get a known state. Functions for main() only.
 */

/** Opens descriptors 0, 1 and 2 if necessary and closes all above 3; ignores SIGPIPE and SIGHUP;
 *  raises the limit of open descriptors. @throws SystemException */
void setUpProcess();

/**
 * Takes descriptor 3, the socket that such a process is started with, and makes it close-on-exec.
 *
 * @throws IOException (descriptor 3 is no stream socket: the program was started by hand)
 */
FileDescriptor takeInheritedSocket();

/** The path of this program's own file, even if another file has its name now. @throws
 *  SystemException */
std::string ownProgram();

/** For the log: "1024, raised to 524288". */
std::string describeDescriptorLimit();

}  // namespace Passenger
