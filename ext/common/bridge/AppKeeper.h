#pragma once

#include <string>

#include "base/FileDescriptor.h"
#include "bridge/AppCommand.h"

namespace Passenger::Bridge {

/**
 * A process between the bridge and its application: the parent of the command, and a subreaper. When the bridge ends, however it ends,
 * it ends the command and all that descends from it, in whatever session, so that nothing outlives the bridge. It does so, too, and at once,
 * when this object is destroyed without finish().
 */
class AppKeeper {
public:
    /** How the command came to its end. */
    struct Ending {
        /** Not empty: it could not be started. */
        std::string error;
        /** As of waitpid(). */
        int status = 0;
    };

    /** Forks the keeper, which starts the command. While this process has a single thread.
     *  @param folder removed at the end, with what is in it. @throws SystemException */
    AppKeeper(const AppCommand &command, const std::string &folder);

    /** Readable when the command has ended. */
    int descriptor() const noexcept {
        return socket_.get();
    }
    /** After descriptor() has become readable. */
    Ending takeEnding();
    /** Asks the application to end (SIGTERM), and kills after a grace what is left of it. Waits until all of it is gone. */
    void finish();

private:
    FileDescriptor socket_;
};

}  // namespace Passenger::Bridge
