#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace Passenger {

/** A user's rights on files. A plain value. */
struct FileRights {
    uid_t uid = 0;
    gid_t gid = 0;
    /** The other ones; `gid` may be among them. */
    std::vector<gid_t> groups;

    /** With all groups that the user is a member of, as after a login with this group. May block where users come from the network. */
    static FileRights ofUser(const std::string &name, uid_t uid, gid_t gid);

    friend bool operator==(const FileRights &, const FileRights &) = default;
};

/**
 * While it lives, this thread, which has to be root's, has another user's rights on files, and none of root's. The calls of libc would change
 * all threads. Does not nest. @throws SystemException, IOException
 */
class AsUser {
public:
    explicit AsUser(const FileRights &rights);
    ~AsUser();
    AsUser(const AsUser &) = delete;
    AsUser &operator=(const AsUser &) = delete;

private:
    void restore() const noexcept;

    std::vector<gid_t> groups_;
    uid_t user_ = 0;
    gid_t group_ = 0;
};

}  // namespace Passenger
