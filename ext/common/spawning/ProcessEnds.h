#pragma once

#include <vector>

#include "base/FileDescriptor.h"
#include "io/Frame.h"

namespace Passenger {

/**
 * The control socket, the output pipe and the wait status pipe for a process to be started. It has
 * the agent's ends and the ends for the process. The process's parent writes the wait status.
 *
 * The agent's end of the control socket has SO_PASSCRED before the other end is sent. So all
 * messages on it carry their sender's credentials. It takes no descriptors.
 */
struct ProcessEnds {
    FrameSocket control;
    FileDescriptor output;
    FileDescriptor waitStatus;
    FileDescriptor theirControl;
    FileDescriptor theirOutput;
    FileDescriptor theirWaitStatus;

    /** @throws SystemException */
    static ProcessEnds make();
    /** The descriptors for START and FORK, in this order. */
    std::vector<int> theirs() const { return {theirControl.get(), theirOutput.get(), theirWaitStatus.get()}; }
    /**
     * Called after they were sent. Then only the new process and its parent hold these ends, so
     * that their end shows as an end of file.
     */
    void closeTheirs() noexcept {
        theirControl.reset();
        theirOutput.reset();
        theirWaitStatus.reset();
    }
};

}  // namespace Passenger
