#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "base/FileDescriptor.h"
#include "base/FileRights.h"
#include "base/UserDatabase.h"

namespace Passenger {

struct FileOwner {
    uid_t uid = 0;
    gid_t gid = 0;
    /** Not empty: the reason, for people, why this owner must not be trusted. */
    std::string doubt = {};
};

/**
 * Finds the owner of a path; of the link itself if the path is a symbolic link. Returns the owner,
 * or the errno value of the failure. May block (network file systems). Thread-safe.
 */
using FindOwner = std::function<tl::expected<FileOwner, int>(const std::string &path)>;

/**
 * Searches in this process: as root by an OwnerSearch, else by lstat(). Not by stat(): with a link
 * to another user's file an attacker could take that user's identity. The function throws
 * SystemException and IOException.
 * @param database outlives the function
 */
FindOwner ownersBy(const UserDatabase &database);

/**
 * Resolves a path as root, component by component, to find the owner of its end. Root's rights are
 * used in root's folders only. In another user's folder that user's rights are used. After a link
 * of another user the rights of the link's owner are used for the rest. So a user cannot make root
 * access paths that the user may not access. Only O_PATH descriptors are opened, which has no
 * effect on the files.
 *
 * A link is a doubt (FileOwner::doubt) if its owner is neither root nor the owner of the path's
 * end. The link's owner could lead the path to another user's application, and then to own files.
 * One object is for one search. Blocks.
 */
class OwnerSearch {
public:
    explicit OwnerSearch(const UserDatabase &database) : database_(database) {}

    /**
     * The owner of the path's end; of the link itself if the end is a link without a slash behind
     * it.
     * @param path absolute
     * @return the owner, or an errno value
     * @throws SystemException, IOException
     */
    tl::expected<FileOwner, int> find(std::string_view path);

private:
    struct Link {
        std::string path;
        uid_t owner;
    };

    FileDescriptor open(const std::string &name);
    /** @return 0 or an errno value */
    int follow(const FileDescriptor &link, const std::string &name, const struct stat &status);
    void beginAtRoot();
    void lookInto(uid_t folderOwner);
    const FileRights &rightsOf(uid_t uid);

    const UserDatabase &database_;
    std::deque<std::string> left_;
    FileDescriptor here_;
    /** Without a slash at the end. */
    std::string path_;
    /** Whose rights are used for the next component. */
    uid_t looker_ = 0;
    /** Of the last looker but root. */
    std::optional<FileRights> rights_;
    /** The links that do not belong to root. */
    std::vector<Link> links_;
    int followed_ = 0;
};

}  // namespace Passenger
