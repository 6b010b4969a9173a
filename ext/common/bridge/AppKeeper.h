#pragma once

#include <chrono>
#include <string>

#include "base/FileDescriptor.h"
#include "bridge/AppCommand.h"

namespace Passenger::Bridge {

/**
 * The keeper: a process between the bridge and its application, the parent of the command and a
 * subreaper. When the bridge ends or is killed, the keeper ends the command and all its
 * descendants, in every session. So no process of the application outlives the bridge.
 *
 * Owned by the Application. If it is destroyed without finish(), the keeper kills at once.
 */
class AppKeeper {
public:
    struct Ending {
        /** Not empty: the command could not be started. */
        std::string error;
        /** The command's status, from waitpid(). */
        int status = 0;
        /** The report of our loader about the end (lib/passenger/node/failures.js); empty: there is
         *  none. */
        std::string report{};
    };

    /**
     * Forks the keeper, which starts the command; returns when the command runs, or cannot be
     * started. This process must have a single thread.
     * @param folder the keeper removes it at the end, with its content
     * @param grace from SIGTERM to SIGKILL at finish()
     * @throws SystemException
     */
    AppKeeper(const AppCommand &command, const std::string &folder, std::chrono::seconds grace);

    /** Readable when the command has ended, or could not be started. */
    int descriptor() const noexcept { return socket_.get(); }
    /** After descriptor() has become readable. */
    Ending takeEnding();
    /** Has SIGTERM sent to the application, and SIGKILL after a grace period. Does not wait. */
    void beginFinish() noexcept;
    /** After beginFinish(), when descriptor() has become readable: all processes are gone. */
    bool isGone() noexcept;
    /** Both: returns when all processes are gone. */
    void finish();

private:
    std::string receive() const;

    FileDescriptor socket_;
    /** The keeper's message that the command could not be started; empty: it was. */
    std::string notStarted_;
};

}  // namespace Passenger::Bridge
