#pragma once

#include <string>

#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * What each of the agent's processes does first, before it has threads: looks at what it was started with and leaves
 * nothing to chance. Functions for main() only.
 */

/** Makes sure that descriptors 0, 1 and 2 are open and closes all above 3; ignores SIGPIPE and SIGHUP; raises the limit
 *  of open descriptors. @throws SystemException */
void setUpProcess();

/** Descriptor 3, the socket that such a process is started with, from now on close-on-exec.
 *  @throws IOException when there is no stream socket: somebody has started it by hand */
FileDescriptor takeInheritedSocket();

/** The file of this program, also while another stands under its name. @throws SystemException */
std::string ownProgram();

/** "1024, raised to 524288". */
std::string describeDescriptorLimit();

}  // namespace Passenger
