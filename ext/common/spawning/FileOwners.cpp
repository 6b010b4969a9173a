#include "spawning/FileOwners.h"

#include <sys/stat.h>

#include <cerrno>

namespace Passenger {

tl::expected<FileOwner, int> SystemFileOwners::ownerOf(const std::string &path) const {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        return tl::unexpected(errno);
    }
    return FileOwner{status.st_uid, status.st_gid};
}

}  // namespace Passenger
