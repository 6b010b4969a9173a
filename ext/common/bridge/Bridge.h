#pragma once

#include <string>

#include "base/FileDescriptor.h"

namespace Passenger::Bridge {

/**
 * The program `passenger-agent bridge`: an instance of an application that speaks HTTP. Started like a Ruby instance, as the application's
 * user, with the control socket; it starts the application's command, and passes requests on to it from the Group's queue.
 *
 * @param program this program's path, beside which lib/passenger is
 * @return the exit status
 */
int run(FileDescriptor control, const std::string &program);

}  // namespace Passenger::Bridge
