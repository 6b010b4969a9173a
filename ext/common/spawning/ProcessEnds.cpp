#include "spawning/ProcessEnds.h"

#include "io/SocketPair.h"

namespace Passenger {

ProcessEnds ProcessEnds::make() {
    auto socket = makeStreamPair();
    enablePeerCredentials(socket.first);
    // Where the kernel does not refuse descriptors, what nobody has read may hold some.
    FrameSocket control(FileDescriptor::foreign(socket.first.release()));
    control.refuseDescriptors();
    auto output = makePipe();
    auto waitStatus = makePipe();
    return {std::move(control),       std::move(output.first),  std::move(waitStatus.first),
            std::move(socket.second), std::move(output.second), std::move(waitStatus.second)};
}

}  // namespace Passenger
