#pragma once

#include <sys/types.h>

#include <string>

namespace Passenger {

/**
 * Makes the folder unless it exists. mkdir(2) takes the lock of the folder above even for a name
 * that exists, and any user can hold that lock. So it is called only for a missing name.
 * @return whether it was made. @throws SystemException
 */
bool makeMissingFolder(const std::string &folder, mode_t mode);

/**
 * Checks that only root and the caller's user can remove or replace entries of the folder. The
 * folder belongs to root or to the caller's user. Others cannot write to it, unless it is sticky as
 * /tmp is. Blocks on the file system.
 * @throws SystemException, IOException with the remedy
 */
void checkFolderTrust(const std::string &folder);

}  // namespace Passenger
