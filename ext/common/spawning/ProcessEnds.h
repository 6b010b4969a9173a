#pragma once

#include <vector>

#include "base/FileDescriptor.h"
#include "io/Frame.h"

namespace Passenger {

/**
 * The control socket and the output pipe of a process that is about to be started: our ends, and those it will get; and the pipe by
 * which its parent will tell how it ended.
 *
 * Our end of the control socket has SO_PASSCRED on from before the other one is given away, so that all that arrives
 * there bears its sender's credentials.
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
    /** What goes with START and FORK, in this order. */
    std::vector<int> theirs() const {
        return {theirControl.get(), theirOutput.get(), theirWaitStatus.get()};
    }
    /** Once they were sent: only the new process and its parent hold them from now on, so that their end is seen as an end of file. */
    void closeTheirs() noexcept {
        theirControl.reset();
        theirOutput.reset();
        theirWaitStatus.reset();
    }
};

}  // namespace Passenger
