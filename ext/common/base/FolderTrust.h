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

/**
 * Whether only root, and this user and group, can change where the path leads. They own all folders
 * and links on it, also behind the links, and what is at its end, and nobody else may write there.
 * False if nothing is there. Blocks on the file system.
 * @param path absolute
 * @param group -1: none
 */
bool isSafeFromOthers(const std::string &path, uid_t user = 0, gid_t group = static_cast<gid_t>(-1));

}  // namespace Passenger
