#pragma once

#include <string>

namespace Passenger {

/** That this is a folder of root's or our own user's, in which nobody else can take away or replace what is in it: one that only its owner
 *  may write to, or a sticky one like /tmp. Blocks on the file system. @throws SystemException, IOException with the remedy */
void checkFolderTrust(const std::string &folder);

}  // namespace Passenger
