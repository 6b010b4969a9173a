#include "spawning/ProcessEnds.h"

#include "io/SocketPair.h"

namespace Passenger {

ProcessEnds ProcessEnds::make() {
    auto socket = makeStreamPair();
    enablePeerCredentials(socket.first);
    auto pipe = makePipe();
    return {FrameSocket(std::move(socket.first)), std::move(pipe.first), std::move(socket.second),
            std::move(pipe.second)};
}

}  // namespace Passenger
