#pragma once

#include "base/FileRights.h"

namespace Passenger {

/**
 * Makes this process run as another user for good: real, effective and saved ids, and the
 * supplementary groups. Checks that the process has these and no others, and cannot become root
 * again.
 *
 * The process runs as root and has one thread.
 * @throws SystemException; IOException: the change did not last
 */
void switchUser(const FileRights &rights);

}  // namespace Passenger
