#pragma once

#include <optional>
#include <string>

namespace Passenger {

/**
 * The first folder on the way to `path` that the user may not enter, by its permission bits. Blocks
 * on the file system and the user database.
 *
 * @return nothing: there is none, or the user or a folder is unknown
 */
std::optional<std::string> closedFolder(const std::string &path, const std::string &user);

/** Whether the user may read the file, by its permission bits, whatever folders are on the way.
 *  Also true if the user or the file is unknown. Blocks as closedFolder(). */
bool isReadable(const std::string &path, const std::string &user);

/** What a person can do so that others get the right: a command for a shell, or what to look at
 *  before if a link is on the way. chmod would follow the link, by which a tenant may name a file
 *  of somebody else. @param right of chmod(1): o+r or o+x */
std::string openingRemedy(const std::string &right, const std::string &path);

}  // namespace Passenger
