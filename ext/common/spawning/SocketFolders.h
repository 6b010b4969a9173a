#pragma once

#include <sys/types.h>

#include <string>
#include <utility>

namespace Passenger {

/**
 * The folder of PassengerSpawnDir, in which each bridge makes a private one for its application's socket, `passenger.PID.XXXXXX`. Its
 * keeper removes that; here is removed what is left when the keeper was killed, too. Who uses such a folder holds a lock on it.
 *
 * A plain value. The methods block on the file system, and follow no links. Thread-safe.
 */
class SocketFolders {
public:
    explicit SocketFolders(std::string folder) : folder_(std::move(folder)) {}

    /** Makes it if it is missing; every user may make folders in it then, and touch only his own. One that is there has to be like this too, or
     *  nobody's but root's and ours: who may rename others' folders decides who gets their requests. @throws SystemException, IOException */
    void prepare() const;
    /** What this bridge has left, if nobody uses it still. It has ended. */
    void removeOf(pid_t bridge) const noexcept;
    /** What nobody uses. */
    void removeLeft() const noexcept;

private:
    template <typename Wanted> void remove(Wanted wanted) const noexcept;

    std::string folder_;
};

}  // namespace Passenger
