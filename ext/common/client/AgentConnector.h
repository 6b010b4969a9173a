#pragma once

#include "base/FileDescriptor.h"
#include "io/Frame.h"

namespace Passenger {

/**
 * accept() without a named socket: asks the pool process for a private socket through a
 * `connectSocket` that any number of processes share. The caller owns the `connectSocket`. Any
 * thread of any process may call at any time: one byte is sent, one descriptor is received. Each
 * descriptor may answer the byte of another process.
 *
 * A byte without an answer (the pool process died) is sent again after a second. So the result may
 * be a socket of a pool process that has ended. Its first exchange finds an end of file, and the
 * caller asks for another socket.
 *
 * @param absenceView AgentHandle::absenceView: while it says so, the call fails within a second
 * @throws TimeoutException, IOException (the agent has ended, or none is to be waited for),
 *     DescriptorShortageException (the agent has no descriptor left), SystemException
 */
FrameSocket connectToAgent(const FileDescriptor &connectSocket, FrameSocket::Deadline deadline, int absenceView = -1);

}  // namespace Passenger
