#pragma once

#include <sys/types.h>

#include <string>

#include <tl/expected.hpp>

#include "spawning/UserDatabase.h"

namespace Passenger {

struct FileOwner {
    uid_t uid = 0;
    gid_t gid = 0;
    /** Not empty: why this is not to be relied on, for people. */
    std::string doubt = {};
};

/**
 * Looks up whom a file belongs to. The one thing about an application's folder that must be known before its user is,
 * so it stands behind an interface of its own: who does it with which privileges can change without anybody noticing.
 * Thread-safe.
 */
class FileOwners {
public:
    virtual ~FileOwners() = default;
    /** Of the path itself where it is a symbolic link. Or the errno value that says why not. May block (network file
     * systems). @throws SystemException, IOException */
    virtual tl::expected<FileOwner, int> ownerOf(const std::string &path) const = 0;
};

/** In this process: as root by an OwnerSearch, else by lstat. Not by stat: a link to somebody else's file would borrow that user's identity. */
class SystemFileOwners final : public FileOwners {
public:
    explicit SystemFileOwners(const UserDatabase &database) : database_(database) {}

    tl::expected<FileOwner, int> ownerOf(const std::string &path) const override;

private:
    const UserDatabase &database_;
};

}  // namespace Passenger
