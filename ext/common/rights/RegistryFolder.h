#pragma once

#include <sys/types.h>

#include <string>

#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * The agent's folder in PassengerInstanceRegistryDir, `passenger.XXXXXX`, in which commands find
 * it. The folder has `pid`, `properties.json`, and `control`, a socket. All users may read
 * `properties.json` and connect to `control`.
 *
 * A free lock on `pid` tells that the agent is dead; no other user may open that file, and so hold
 * the lock. The next agent removes the folder then. The lock lasts until each process has closed
 * `lock`.
 *
 * The folder itself is locked, too: systemd-tmpfiles, which removes old files, leaves locked
 * folders alone. A plain value; the functions block on the file system.
 */
struct RegistryFolder {
    std::string path;
    FileDescriptor lock;
    /** Listens. */
    FileDescriptor socket;
    /** The folder, locked. */
    FileDescriptor folder{};

    /** Whether the files are still there. */
    bool stands() const;
    /**
     * Makes the folder, and `parent` if it is missing. Removes folders of dead agents. Takes over
     * the one that an earlier pool process of this anchor has left, so that its name stays. An
     * anchor has few folders at once.
     * @param backlog the socket's
     * @param anchor, pool the agent's processes, for `properties.json`
     * @throws SystemException, IOException
     */
    static RegistryFolder make(const std::string &parent, unsigned backlog, pid_t anchor, pid_t pool);
    /** Removes a folder that make() has made for this anchor, and its files. Others are left
     *  alone. Follows no link below the parent. */
    static void remove(const std::string &path, pid_t anchor) noexcept;
    /** Whether the path is one that make() can give a folder in `parent`. Empty parent: none. */
    static bool isIn(const std::string &parent, const std::string &path);
};

}  // namespace Passenger
