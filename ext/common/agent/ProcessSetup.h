#pragma once

#include <sys/types.h>

#include <initializer_list>
#include <string>

#include "base/FileDescriptor.h"
#include "base/SeccompMode.h"

namespace Passenger {

/**
 * The first steps of each process of the agent, before it has threads: descriptors, signals and
 * limits get a known state. Functions for main() only.
 */

/** Opens descriptors 0, 1 and 2 if necessary and closes all above 3; ignores SIGPIPE, SIGHUP
 *  and SIGXFSZ;
 *  raises the limit of open descriptors. @throws SystemException */
void setUpProcess();

/** Signals that nobody means for a process of the agent, or that its parent's order replaces. */
void ignoreSignals(std::initializer_list<int> signals);

/**
 * Makes this process one of a user without rights, for good, and confines it (class Confinement).
 * It then changes no file, and talks over Unix sockets only. The parent's end still kills it.
 * @return what is in force, for the log
 * @throws SystemException, IOException: the change did not last
 */
std::string giveUpRights(uid_t user, gid_t group, SeccompMode seccomp);

/** Takes from this process, the rights process, the capabilities that no method of Rights needs.
 *  @throws SystemException */
void keepRights();

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
