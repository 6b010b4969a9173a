#pragma once

#include <string>

#include <tl/expected.hpp>

#include "base/UserDatabase.h"
#include "rights/FileOwners.h"

namespace Passenger {

/**
 * Searches in this process: as root by an OwnerSearch, else by lstat(). Not by stat(): with a link
 * to another user's file an attacker could take that user's identity.
 */
class SystemFileOwners final : public FileOwners {
public:
    explicit SystemFileOwners(const UserDatabase &database) : database_(database) {}

    tl::expected<FileOwner, int> ownerOf(const std::string &path) const override;

private:
    const UserDatabase &database_;
};

}  // namespace Passenger
