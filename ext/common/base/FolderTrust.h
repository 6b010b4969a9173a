#pragma once

#include <string>

namespace Passenger {

/**
 * Checks that only root and the caller's user can remove or replace entries of the folder. The
 * folder belongs to root or to the caller's user. Others cannot write to it, unless it is sticky as
 * /tmp is. Blocks on the file system.
 * @throws SystemException, IOException with the remedy
 */
void checkFolderTrust(const std::string &folder);

}  // namespace Passenger
