#pragma once

#include "base/FileDescriptor.h"
#include "io/Frame.h"

namespace Passenger {

/**
 * The control socket and the output pipe of a process that is about to be started: our ends, and those it will get.
 *
 * Our end of the control socket has SO_PASSCRED on from before the other one is given away, so that all that arrives
 * there bears its sender's credentials.
 */
struct ProcessEnds {
    FrameSocket control;
    FileDescriptor output;
    FileDescriptor theirControl;
    FileDescriptor theirOutput;

    /** @throws SystemException */
    static ProcessEnds make();
};

}  // namespace Passenger
