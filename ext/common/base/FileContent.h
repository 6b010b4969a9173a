#pragma once

#include <string>

namespace Passenger {

/**
 * What can be read of a file; empty if it cannot be opened. Also for files of /proc, where read()
 * fails once the process has ended: a stream that is read by iterators throws then.
 */
std::string fileContent(const std::string &path);

}  // namespace Passenger
