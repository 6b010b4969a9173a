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

}  // namespace Passenger
