#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "base/FileDescriptor.h"
#include "base/FileRights.h"
#include "spawning/FileOwners.h"
#include "spawning/UserDatabase.h"

namespace Passenger {

/**
 * Walks a path as root, step by step, to find whom its end belongs to, and uses root's rights in root's folders only: what is in another's
 * folder is looked at with that user's rights, and from a link of another user on everything with the rights of the link's owner. So nobody
 * has root look where he may not look himself. Only O_PATH descriptors are opened, so that nothing else happens to what stands there.
 *
 * A link of another user than root and the one whom the end belongs to is a doubt (FileOwner::doubt): its owner could lead the path to
 * somebody else's application, and to his own files the moment after. For one search. Blocks.
 */
class OwnerSearch {
public:
    explicit OwnerSearch(const UserDatabase &database) : database_(database) {}

    /** Of the path's end itself where it is a link, unless there is a slash behind it. @param path absolute
     *  @return or the errno value. @throws SystemException, IOException */
    tl::expected<FileOwner, int> find(std::string_view path);

private:
    struct Link {
        std::string path;
        uid_t owner;
    };

    FileDescriptor open(const std::string &name) const;
    /** @return 0 or an errno value */
    int follow(const FileDescriptor &link, const std::string &name, const struct stat &status);
    void beginAtRoot();
    void lookInto(uid_t folderOwner);
    void lookAs(uid_t uid);

    const UserDatabase &database_;
    std::deque<std::string> left_;
    FileDescriptor here_;
    /** Without a slash at the end. */
    std::string path_;
    /** None: root's. */
    std::optional<FileRights> rights_;
    /** Those that are not root's. */
    std::vector<Link> links_;
    int followed_ = 0;
};

}  // namespace Passenger
