#include "spawning/ProcessEnds.h"

#include "io/SocketPair.h"

namespace Passenger {

ProcessEnds ProcessEnds::make() {
    auto socket = makeStreamPair();
    enablePeerCredentials(socket.first);
    auto output = makePipe();
    auto waitStatus = makePipe();
    return {FrameSocket(std::move(socket.first)),
            std::move(output.first),
            std::move(waitStatus.first),
            std::move(socket.second),
            std::move(output.second),
            std::move(waitStatus.second)};
}

}  // namespace Passenger
