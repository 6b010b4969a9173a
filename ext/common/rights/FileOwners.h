#pragma once

#include <sys/types.h>

#include <string>

#include <tl/expected.hpp>

namespace Passenger {

struct FileOwner {
    uid_t uid = 0;
    gid_t gid = 0;
    /** Not empty: the reason, for people, why this owner must not be trusted. */
    std::string doubt = {};
};

/**
 * Finds the owner of a file. Before an application's user is known, this is the only needed fact
 * about its folder. An interface, so that the privileges for the search can change without effect
 * on callers. Thread-safe.
 */
class FileOwners {
public:
    virtual ~FileOwners() = default;
    /**
     * The owner of `path`; of the link itself if it is a symbolic link.
     * @return the owner, or the errno value of the failure. May block (network file systems).
     * @throws SystemException, IOException
     */
    virtual tl::expected<FileOwner, int> ownerOf(const std::string &path) const = 0;
};

}  // namespace Passenger
