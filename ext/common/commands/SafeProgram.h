#pragma once

#include <string>

namespace Passenger {

/** A user may run what he names. For root a link that others can change is followed here, once.
 *  @param program a path
 *  @return the path to execute; empty: root must not, since others than root can change the
 *      program, or it is not there */
std::string safeProgram(const std::string &program);

}  // namespace Passenger
