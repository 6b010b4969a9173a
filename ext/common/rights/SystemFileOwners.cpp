#include "rights/SystemFileOwners.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "rights/OwnerSearch.h"

namespace Passenger {

tl::expected<FileOwner, int> SystemFileOwners::ownerOf(const std::string &path) const {
    if (::geteuid() == 0 && path.starts_with('/')) {
        return OwnerSearch(database_).find(path);
    }
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        return tl::unexpected(errno);
    }
    return FileOwner{status.st_uid, status.st_gid};
}

}  // namespace Passenger
