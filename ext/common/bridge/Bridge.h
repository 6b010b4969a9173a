#pragma once

#include <string>

#include "base/FileDescriptor.h"

namespace Passenger::Bridge {

/**
 * The program `passenger-agent bridge`: an instance of an application that speaks HTTP. The spawn
 * server starts it like a Ruby instance, as the application's user. It starts the application's
 * command, and passes requests from the Group's queue on to the application.
 *
 * @param control the control socket
 * @param program this program's path; lib/passenger is in the same folder
 * @return the exit status
 */
int run(FileDescriptor control, const std::string &program);

}  // namespace Passenger::Bridge
