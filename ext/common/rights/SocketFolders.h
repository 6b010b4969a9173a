#pragma once

#include <sys/types.h>

#include <string>
#include <utility>

namespace Passenger {

/**
 * The folder of PassengerSpawnDir. Each bridge makes a private folder in it for its application's
 * socket, `passenger.PID.XXXXXX`, and holds a lock on it, which systemd-tmpfiles heeds, too. A Node
 * instance does so until it listens. The bridge's keeper removes that folder. This class removes
 * the folders whose keepers were killed.
 *
 * A plain value. The methods block on the file system and do not follow links. Thread-safe.
 */
class SocketFolders {
public:
    explicit SocketFolders(std::string folder) : folder_(std::move(folder)) {}

    /**
     * Creates a missing folder. If the agent runs as root, every user may create entries in it, and
     * change only the own ones. An existing folder must be like this, or writable only by root or
     * the agent's user. A user who may rename the bridges' folders can get their requests. The path
     * of a socket in it must not be too long.
     * @throws SystemException, IOException
     */
    void prepare() const;
    /** Removes the unlocked folders of this bridge, which has ended. */
    void removeOf(pid_t bridge) const noexcept;
    /** Removes all unlocked folders. */
    void removeLeft() const noexcept;

private:
    template <typename Wanted> void remove(Wanted wanted) const noexcept;

    std::string folder_;
};

}  // namespace Passenger
