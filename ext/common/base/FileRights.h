#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/ThreadCapabilities.h"

namespace Passenger {

/** A user's rights on files. A plain value. */
struct FileRights {
    uid_t uid = 0;
    gid_t gid = 0;
    /** The supplementary groups; may contain `gid`. */
    std::vector<gid_t> groups;

    /**
     * With all groups of the user, as after a login with the group `gid`. May block if user data
     * comes from the network.
     */
    static FileRights ofUser(const std::string &name, uid_t uid, gid_t gid);

    friend bool operator==(const FileRights &, const FileRights &) = default;
};

/**
 * Gives the calling thread the rights of another user on files, and none of root's, for a scope.
 * The thread must run as root. Does not nest. Meanwhile the thread has no effective capabilities
 * but those that take it back. With CAP_SYS_PTRACE, paths through /proc/PID/cwd and /proc/PID/root
 * would lead into closed folders of other users (proc(5), ptrace(2)).
 *
 * The kernel takes the parent-death signal away from a thread that changes its rights (prctl(2)).
 * At the end of the scope the thread has it again, and gets it if the parent has died meanwhile.
 *
 * The class uses system calls directly, since libc's functions would change all threads.
 * @throws SystemException, IOException
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
    ThreadCapabilities capabilities_;
    int deathSignal_ = 0;
    pid_t parent_ = 0;
};

}  // namespace Passenger
