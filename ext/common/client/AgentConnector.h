#pragma once

#include "io/Frame.h"

namespace Passenger {

/**
 * accept() without a named socket: asks the pool process for a private socket through a
 * `connectSocket` that any number of processes share. Does not own it. Any thread of any process
 * may call at any time: one byte goes out, one descriptor comes back, and it does not matter whose
 * byte brought whose descriptor.
 *
 * A byte whose answer never comes (the pool process died over it) is sent again after a second. So
 * a socket may come that belongs to a pool process that has ended since: it shows an end of file at
 * the first exchange, and the caller asks for another.
 *
 * @throws TimeoutException, IOException (there is no agent any more), SystemException
 */
FrameSocket connectToAgent(int connectSocket, FrameSocket::Deadline deadline);

}  // namespace Passenger
