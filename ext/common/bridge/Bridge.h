#pragma once

#include <map>
#include <string>

#include "base/FileDescriptor.h"

namespace Passenger::Bridge {

/**
 * The program `passenger-agent bridge`: an instance of an application that speaks HTTP. The spawn
 * server starts it like a Ruby instance, as the application's user. The program starts the
 * application's command, and passes requests from the Group's queue on to the application. For a
 * Node application the process becomes Node, which takes the requests itself (NodeInstance).
 *
 * @param control the control socket
 * @param program this program's path; lib/passenger is in the same folder
 * @return the exit status
 */
int run(FileDescriptor control, const std::string &program);

/**
 * The program `passenger-agent bridge-again`: the process was a Node application that needs a
 * bridge (NodeInstance). The process has said HELLO; the step that it has begun ends.
 *
 * @param options of LOAD
 */
int runAgain(FileDescriptor control, const std::string &program, std::map<std::string, std::string> options);

}  // namespace Passenger::Bridge
